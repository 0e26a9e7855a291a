/*
description: >
  When each user was first seen in each announced account, with the person the user is. Use that goes on changes nothing here, so that who
  belongs where is looked at again only for those of whom something was learnt.
grain: one row per announced account (0 for none) and user
key: [account_key, user_key]
not_null: [account_key, user_key, user_id, canonical_user_key, own_account_id, first_at, known_at, known_date]
incremental: [account_key, user_key]
*/
SELECT
  CAST(p.account_key AS INTEGER) AS account_key, -- account as announced, 0 for none
  CAST(p.user_key AS INTEGER) AS user_key, -- user as announced
  CAST(u.user_id AS VARCHAR) AS user_id, -- its id
  CAST(CASE WHEN u.user_id LIKE '%_@_%._%' AND u.user_id NOT LIKE 'anon:%' THEN lower(u.user_id) END AS VARCHAR) AS email, -- the id where it is an e-mail address, as it is in many products
  CAST(coalesce(l.canonical_user_key, p.user_key) AS INTEGER) AS canonical_user_key, -- the person
  CAST('user:' || coalesce(l.canonical_user_id, u.user_id) AS VARCHAR) AS own_account_id, -- account of a person who names none
  CAST(p.first_at AS TIMESTAMP) AS first_at, -- first time the two were seen together
  CAST(p.known_at AS TIMESTAMP) AS known_at, -- when that was first known
  CAST(p.known_date AS DATE) AS known_date, -- reporting day of it
  CAST(l.known_at AS TIMESTAMP) AS joined_at, -- when the user was known to be the person; NULL where it is the person
  CAST(l.known_date AS DATE) AS joined_date -- reporting day of it
FROM intermediate.account_users AS p
INNER JOIN staging.users AS u ON u.user_key = p.user_key
LEFT JOIN intermediate.user_aliases AS l ON l.user_key = p.user_key
WHERE p.user_key <> 0
