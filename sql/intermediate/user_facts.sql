/*
description: What users said of themselves by identify calls - e-mail address, name, job title - each value once, with when it was said last and known first.
grain: one row per user, fact and value
key: [user_key, fact, value]
not_null: [user_key, canonical_user_key, fact, value, known_date, last_said_at, last_known_at, last_call_id]
accepted: {fact: [email, name, title]}
incremental: [user_key]
*/
WITH calls AS (
  SELECT i.user_key, coalesce(l.canonical_user_key, i.user_key) AS canonical_user_key, i.occurred_at, i.known_at, i.known_date, i.call_id, i.email, i.name, i.title
  FROM staging.identities AS i
  CROSS JOIN config.clock AS c
  LEFT JOIN intermediate.user_aliases AS l ON l.user_key = i.user_key
  WHERE i.occurred_at < c.as_of AND i.known_at < c.known_at AND i.kind = 'identify' AND i.user_key <> 0
),

said AS (
  SELECT k.user_key, k.canonical_user_key, 'email' AS fact, k.email AS value, k.occurred_at, k.known_at, k.known_date, k.call_id FROM calls AS k WHERE k.email IS NOT NULL
  UNION ALL
  SELECT k.user_key, k.canonical_user_key, 'name' AS fact, k.name AS value, k.occurred_at, k.known_at, k.known_date, k.call_id FROM calls AS k WHERE k.name IS NOT NULL
  UNION ALL
  SELECT k.user_key, k.canonical_user_key, 'title' AS fact, k.title AS value, k.occurred_at, k.known_at, k.known_date, k.call_id FROM calls AS k WHERE k.title IS NOT NULL
),

ranked AS (
  SELECT s.*,
    min(s.known_date) OVER (PARTITION BY s.user_key, s.fact, s.value) AS first_known_date,
    row_number() OVER (PARTITION BY s.user_key, s.fact, s.value ORDER BY s.occurred_at DESC, s.known_at DESC, s.call_id) AS place
  FROM said AS s
)

SELECT
  CAST(r.user_key AS INTEGER) AS user_key, -- user as announced
  CAST(r.canonical_user_key AS INTEGER) AS canonical_user_key, -- the person
  CAST(r.fact AS VARCHAR) AS fact, -- what was said
  CAST(r.value AS VARCHAR) AS value, -- the value as text
  CAST(r.first_known_date AS DATE) AS known_date, -- reporting day on which it was first known
  CAST(r.occurred_at AS TIMESTAMP) AS last_said_at, -- when it was said last
  CAST(r.known_at AS TIMESTAMP) AS last_known_at, -- when that was known
  CAST(r.call_id AS VARCHAR) AS last_call_id -- call that said it
FROM ranked AS r
WHERE r.place = 1
