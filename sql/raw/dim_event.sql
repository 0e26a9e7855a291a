/*
description: Integer key of every event name as it was sent, before aliases.
grain: one row per event name
key: [event_key]
not_null: [event_key, event_name]
*/
CREATE TABLE IF NOT EXISTS raw.dim_event (
  event_key INTEGER NOT NULL, -- surrogate key, given once at load
  event_name VARCHAR NOT NULL -- name as sent; page and screen calls are 'Viewed <name> Page' and 'Viewed <name> Screen'
)
