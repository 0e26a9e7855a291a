/*
description: Events that name the sales person an account belongs to, apart from all other properties for the same reason as account_merges.
grain: one row per event that names an owner
key: [event_id]
not_null: [event_id]
*/
SELECT
  CAST(p.event_id AS VARCHAR) AS event_id, -- event that names the owner
  CAST(coalesce(p.properties ->> '$.owner', p.properties ->> '$.owner_email') AS VARCHAR) AS owner -- sales person
FROM raw.event_properties AS p
WHERE contains(p.properties, 'owner')
