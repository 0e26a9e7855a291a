/*
description: Properties of declared events only (names the config gives a role, a milestone or a list); those of all others stay in landing.
grain: one row per event id of a declared event
key: [event_id]
not_null: [event_id]
*/
CREATE TABLE IF NOT EXISTS raw.event_properties (
  event_id UUID NOT NULL, -- event the properties belong to
  properties VARCHAR -- JSON text of the properties object as sent
)
