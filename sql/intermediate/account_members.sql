/*
description: >
  The users of an account with the day each was known to belong to it, and the day each was known to be internal or listed, if ever.
grain: one row per account and user
key: [account_key, user_key]
not_null: [account_key, user_key, canonical_user_key, known_date]
incremental: [account_key]
*/
WITH merged AS (
  SELECT p.account_key, p.user_key, p.canonical_user_key, min(p.known_date) AS known_date
  FROM intermediate.account_people AS p
  WHERE p.canonical_user_key IS NOT NULL
  GROUP BY p.account_key, p.user_key, p.canonical_user_key
)

SELECT
  CAST(p.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(p.user_key AS INTEGER) AS user_key, -- user as announced
  CAST(p.canonical_user_key AS INTEGER) AS canonical_user_key, -- the person
  CAST(p.known_date AS DATE) AS known_date, -- reporting day from which the user is known to belong to the account
  CAST(u.excluded_date AS DATE) AS excluded_date -- reporting day from which the user is known to be excluded, NULL when not
FROM merged AS p
INNER JOIN intermediate.users AS u ON u.user_key = p.user_key
