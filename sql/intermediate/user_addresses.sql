/*
description: >
  Every e-mail address a user was known by, with the day it became known: said by an identify call, or the user id itself, for many products
  use the address as the id. An address belongs to the user first known by it, for good: what arrives later moves nothing.
grain: one row per user and address
key: [user_key, email]
not_null: [user_key, email, known_at, known_date, place]
*/
WITH said AS (
  SELECT i.user_key, i.email, min(i.known_at) AS known_at, min(i.known_date) AS known_date
  FROM staging.identities AS i
  CROSS JOIN config.clock AS c
  WHERE i.occurred_at < c.as_of AND i.known_at < c.known_at AND i.kind = 'identify' AND i.user_key <> 0 AND i.email IS NOT NULL
  GROUP BY i.user_key, i.email
  UNION ALL
  SELECT p.user_key, lower(u.user_id) AS email, min(p.known_at) AS known_at, min(p.known_date) AS known_date
  FROM intermediate.account_users AS p
  INNER JOIN staging.users AS u ON u.user_key = p.user_key
  WHERE p.user_key <> 0 AND u.user_id LIKE '%_@_%._%' AND u.user_id NOT LIKE 'anon:%'
  GROUP BY p.user_key, lower(u.user_id)
),

firsts AS (
  SELECT s.user_key, s.email, min(s.known_at) AS known_at, min(s.known_date) AS known_date
  FROM said AS s
  GROUP BY s.user_key, s.email
)

SELECT
  CAST(f.user_key AS INTEGER) AS user_key, -- user as announced
  CAST(f.email AS VARCHAR) AS email, -- address, lower case
  CAST(f.known_at AS TIMESTAMP) AS known_at, -- when it was first known
  CAST(f.known_date AS DATE) AS known_date, -- reporting day from which it may be used
  CAST(row_number() OVER (PARTITION BY f.email ORDER BY f.known_at, u.user_id) AS INTEGER) AS place -- 1 = the user the address belongs to
FROM firsts AS f
INNER JOIN staging.users AS u ON u.user_key = f.user_key
