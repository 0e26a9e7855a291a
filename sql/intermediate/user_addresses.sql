/*
description: >
  Every e-mail address a user was known by, with the day it became known: said by an identify call, or the user id itself, for many products
  use the address as the id. An address belongs to the user first known by it, for good: what arrives later moves nothing.
grain: one row per user and address
key: [user_key, email]
not_null: [user_key, email, known_at, known_date, place]
incremental: [email]
*/
WITH said AS (
  SELECT i.user_key, u.user_id, i.email, i.known_at, i.known_date
  FROM staging.identities AS i
  CROSS JOIN config.clock AS c
  INNER JOIN staging.users AS u ON u.user_key = i.user_key
  WHERE i.occurred_at < c.as_of AND i.known_at < c.known_at AND i.kind = 'identify' AND i.user_key <> 0 AND i.email IS NOT NULL
  UNION ALL
  SELECT p.user_key, p.user_id, p.email, p.known_at, p.known_date
  FROM intermediate.first_sightings AS p
  WHERE p.email IS NOT NULL
),

firsts AS (
  SELECT s.user_key, s.user_id, s.email, min(s.known_at) AS known_at, min(s.known_date) AS known_date
  FROM said AS s
  GROUP BY s.user_key, s.user_id, s.email
)

SELECT
  CAST(f.user_key AS INTEGER) AS user_key, -- user as announced
  CAST(f.email AS VARCHAR) AS email, -- address, lower case
  CAST(f.known_at AS TIMESTAMP) AS known_at, -- when it was first known
  CAST(f.known_date AS DATE) AS known_date, -- reporting day from which it may be used
  CAST(row_number() OVER (PARTITION BY f.email ORDER BY f.known_at, f.user_id) AS INTEGER) AS place -- 1 = the user the address belongs to
FROM firsts AS f
