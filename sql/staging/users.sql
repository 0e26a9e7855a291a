/*
description: User ids with their keys. Key 0 stands for "no user".
grain: one row per user key
key: [user_key]
not_null: [user_key]
*/
SELECT
  CAST(u.user_key AS INTEGER) AS user_key, -- physical key, never shown to people
  CAST(u.user_id AS VARCHAR) AS user_id -- id as announced; anon:<anonymous id> before a user is known
FROM raw.dim_user AS u
