/*
description: Product events (track, page, screen), typed and deduplicated by the loader, in arrival order. Account and user are the announced ones; canonical identity is a model.
grain: one row per event id
key: [event_id]
not_null: [event_id, account_key, user_key, event_key, occurred_at, known_at, activity_date, known_date, load_id]
*/
CREATE TABLE IF NOT EXISTS raw.events (
  event_id UUID NOT NULL, -- the record's own id when it is a UUID, else the md5 of it; without an id the md5 of its content and occurrence number
  account_key INTEGER NOT NULL, -- account the event names, 0 when it names none
  user_key INTEGER NOT NULL, -- user the event names, 0 when it names none
  event_key INTEGER NOT NULL, -- name of the event
  occurred_at TIMESTAMP NOT NULL, -- UTC instant it happened, client clock corrected by sentAt where the record allows
  known_at TIMESTAMP NOT NULL, -- UTC instant from which it may be used: when we received it; of a file its receivedAt, else occurred_at
  activity_date DATE NOT NULL, -- day of occurred_at in the reporting zone
  known_date DATE NOT NULL, -- later of the reporting day of known_at and activity_date
  load_id INTEGER NOT NULL, -- load that brought the row
  body_hash UBIGINT -- hash of the body without transport fields; tells a repeated record from a reused id
)
