/*
description: Usage events as the loader typed and deduplicated them
grain: one row per event
key: [event_id]
unique_by: load
not_null: [account_key, user_key, event_key, occurred_at, known_at, activity_date, known_date]
*/
SELECT
  CAST(e.event_id AS VARCHAR) AS event_id, -- 128-bit id of the event as text
  CAST(e.account_key AS INTEGER) AS account_key, -- account the call announced, 0 when it named none
  CAST(e.user_key AS INTEGER) AS user_key, -- user the call announced, 0 when it named none
  CAST(e.event_key AS INTEGER) AS event_key, -- key of the event's name
  CAST(e.occurred_at AS TIMESTAMP) AS occurred_at, -- when it happened, UTC
  CAST(e.known_at AS TIMESTAMP) AS known_at, -- when it could first be known, UTC
  CAST(e.activity_date AS DATE) AS activity_date, -- reporting day of occurred_at
  CAST(e.known_date AS DATE) AS known_date -- reporting day of known_at, never before activity_date
FROM raw.events AS e
