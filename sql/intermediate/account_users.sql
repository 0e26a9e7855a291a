/*
description: >
  Who was seen in which announced account, from events and identity calls. Events come from their daily counts, so that identity needs no
  pass over events of its own.
grain: one row per announced account and user (either may be 0)
key: [account_key, user_key]
not_null: [account_key, user_key, first_at, last_at, known_at, known_date, events]
incremental: [account_key, user_key]
*/
WITH seen AS (
  SELECT
    e.account_key, e.user_key, min(e.first_at) AS first_at, max(e.last_at) AS last_at,
    min(e.first_known_at) AS known_at, min(e.known_date) AS known_date, CAST(sum(e.events) AS BIGINT) AS events
  FROM intermediate.event_days AS e
  GROUP BY e.account_key, e.user_key
  UNION ALL
  SELECT
    i.account_key, i.user_key, min(i.occurred_at) AS first_at, max(i.occurred_at) AS last_at,
    min(i.known_at) AS known_at, min(i.known_date) AS known_date, CAST(0 AS BIGINT) AS events
  FROM staging.identities AS i
  CROSS JOIN config.clock AS c
  WHERE i.occurred_at < c.as_of AND i.known_at < c.known_at
  GROUP BY i.account_key, i.user_key
)

SELECT
  CAST(s.account_key AS INTEGER) AS account_key, -- account as announced, 0 for none
  CAST(s.user_key AS INTEGER) AS user_key, -- user as announced, 0 for none
  CAST(min(s.first_at) AS TIMESTAMP) AS first_at, -- first time the two were seen together
  CAST(max(s.last_at) AS TIMESTAMP) AS last_at, -- last time
  CAST(min(s.known_at) AS TIMESTAMP) AS known_at, -- when that was first known
  CAST(min(s.known_date) AS DATE) AS known_date, -- reporting day from which it may be used
  CAST(sum(s.events) AS BIGINT) AS events -- events of the user that name the account
FROM seen AS s
GROUP BY s.account_key, s.user_key
