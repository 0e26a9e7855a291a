/*
description: >
  Users that turned out to be other users: an alias call (or an identify call that names the earlier id) joins the earlier id to the later
  one. The alias known first wins; chains are followed for up to 16 steps. A cycle joins nobody, and neither does a longer chain, so a
  storm of aliases stays bounded.
grain: one row per user that has another canonical user
key: [user_key]
not_null: [user_key, canonical_user_key, canonical_user_id, known_at, known_date]
*/
WITH announced AS (
  SELECT
    i.previous_user_key AS user_key, i.user_key AS next_key, i.user_id AS next_id, i.known_at, i.known_date,
    row_number() OVER (PARTITION BY i.previous_user_key ORDER BY i.known_at, i.occurred_at, i.user_id) AS place
  FROM intermediate.alias_calls AS i
),

step_1 AS (
  SELECT a.user_key, a.next_key, a.next_id, a.known_at, a.known_date FROM announced AS a WHERE a.place = 1
),

step_2 AS (
  SELECT s.user_key, coalesce(n.next_key, s.next_key) AS next_key, coalesce(n.next_id, s.next_id) AS next_id,
    greatest(s.known_at, coalesce(n.known_at, s.known_at)) AS known_at, greatest(s.known_date, coalesce(n.known_date, s.known_date)) AS known_date
  FROM step_1 AS s LEFT JOIN step_1 AS n ON n.user_key = s.next_key
),

step_4 AS (
  SELECT s.user_key, coalesce(n.next_key, s.next_key) AS next_key, coalesce(n.next_id, s.next_id) AS next_id,
    greatest(s.known_at, coalesce(n.known_at, s.known_at)) AS known_at, greatest(s.known_date, coalesce(n.known_date, s.known_date)) AS known_date
  FROM step_2 AS s LEFT JOIN step_2 AS n ON n.user_key = s.next_key
),

step_8 AS (
  SELECT s.user_key, coalesce(n.next_key, s.next_key) AS next_key, coalesce(n.next_id, s.next_id) AS next_id,
    greatest(s.known_at, coalesce(n.known_at, s.known_at)) AS known_at, greatest(s.known_date, coalesce(n.known_date, s.known_date)) AS known_date
  FROM step_4 AS s LEFT JOIN step_4 AS n ON n.user_key = s.next_key
),

step_16 AS (
  SELECT s.user_key, coalesce(n.next_key, s.next_key) AS next_key, coalesce(n.next_id, s.next_id) AS next_id,
    greatest(s.known_at, coalesce(n.known_at, s.known_at)) AS known_at, greatest(s.known_date, coalesce(n.known_date, s.known_date)) AS known_date
  FROM step_8 AS s LEFT JOIN step_8 AS n ON n.user_key = s.next_key
)

SELECT
  CAST(s.user_key AS INTEGER) AS user_key, -- the earlier id's user
  CAST(s.next_key AS INTEGER) AS canonical_user_key, -- the user it is
  CAST(s.next_id AS VARCHAR) AS canonical_user_id, -- its id
  CAST(s.known_at AS TIMESTAMP) AS known_at, -- when the last step of the chain was known
  CAST(s.known_date AS DATE) AS known_date -- reporting day from which the join holds
FROM step_16 AS s
LEFT JOIN step_1 AS further ON further.user_key = s.next_key
WHERE further.user_key IS NULL -- an end that leads on is a cycle or too long a chain
