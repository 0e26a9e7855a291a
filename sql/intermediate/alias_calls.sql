/*
description: Calls that say that an earlier id and a later one are one user.
grain: one row per call
key: [call_id]
not_null: [call_id, user_key, user_id, previous_user_key, occurred_at, known_at, known_date]
incremental: [user_key]
*/
SELECT
  CAST(i.call_id AS VARCHAR) AS call_id, -- id of the call
  CAST(i.user_key AS INTEGER) AS user_key, -- the user it turned out to be
  CAST(u.user_id AS VARCHAR) AS user_id, -- its id
  CAST(i.previous_user_key AS INTEGER) AS previous_user_key, -- the earlier id's user
  CAST(i.occurred_at AS TIMESTAMP) AS occurred_at, -- when it was said
  CAST(i.known_at AS TIMESTAMP) AS known_at, -- when it could first be known
  CAST(i.known_date AS DATE) AS known_date -- reporting day of it
FROM staging.identities AS i
CROSS JOIN config.clock AS c
INNER JOIN staging.users AS u ON u.user_key = i.user_key
WHERE i.occurred_at < c.as_of AND i.known_at < c.known_at
  AND i.previous_user_key <> 0 AND i.user_key <> 0 AND i.previous_user_key <> i.user_key
