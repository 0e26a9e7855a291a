/*
description: >
  Events that are looked at one by one, because their name has a role or reaches a milestone. All others count by the day alone
  (intermediate.event_days), so that nobody else has to look through them.
grain: one row per event
key: [event_id]
not_null: [event_id, account_key, user_key, event_key, occurred_at, known_at, activity_date, known_date]
incremental: [account_key, user_key, activity_date]
*/
SELECT
  CAST(e.event_id AS VARCHAR) AS event_id, -- the event
  CAST(e.account_key AS INTEGER) AS account_key, -- account the call announced, 0 when it named none
  CAST(e.user_key AS INTEGER) AS user_key, -- user the call announced, 0 when it named none
  CAST(e.event_key AS INTEGER) AS event_key, -- key of the event's name
  CAST(n.role AS VARCHAR) AS role, -- what the name stands for: trial_started, account_merged, email_clicked, ...; NULL when it reaches a milestone alone
  CAST(e.occurred_at AS TIMESTAMP) AS occurred_at, -- when it happened, UTC
  CAST(e.known_at AS TIMESTAMP) AS known_at, -- when it could first be known, UTC
  CAST(e.activity_date AS DATE) AS activity_date, -- reporting day of occurred_at
  CAST(e.known_date AS DATE) AS known_date -- reporting day of known_at, never before activity_date
FROM staging.events AS e
CROSS JOIN config.clock AS c
INNER JOIN config.event_catalogue AS n ON n.event_key = e.event_key
WHERE e.occurred_at < c.as_of AND e.known_at < c.known_at AND n.is_notable
