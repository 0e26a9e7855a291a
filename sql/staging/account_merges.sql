/*
description: >
  Events that name a previous account, apart from all other properties: they are few, and a look for the name is cheaper than taking every
  body apart.
grain: one row per event that names a previous account
key: [event_id]
not_null: [event_id]
*/
SELECT
  CAST(p.event_id AS VARCHAR) AS event_id, -- event that names it
  CAST(coalesce(p.properties ->> '$.previous_account_id', p.properties ->> '$.previousAccountId', p.properties ->> '$.merged_account_id') AS VARCHAR) AS previous_account_id -- account merged into the event's account
FROM raw.event_properties AS p
WHERE contains(p.properties, 'previous_account_id') OR contains(p.properties, 'previousAccountId') OR contains(p.properties, 'merged_account_id')
