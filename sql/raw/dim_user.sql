/*
description: Integer key of every user id. Key 0 = no user. Anonymous ids carry the prefix anon.
grain: one row per user id
key: [user_key]
not_null: [user_key]
*/
CREATE TABLE IF NOT EXISTS raw.dim_user (
  user_key INTEGER NOT NULL, -- surrogate key, given once at load
  user_id VARCHAR -- id as announced, byte exact, or 'anon:<anonymousId>'; NULL for key 0
)
