/*
description: Event names with their keys, as received.
grain: one row per event key
key: [event_key]
not_null: [event_key, event_name]
*/
SELECT
  CAST(n.event_key AS INTEGER) AS event_key, -- physical key
  CAST(n.event_name AS VARCHAR) AS event_name -- name as received, before aliases
FROM raw.dim_event AS n
