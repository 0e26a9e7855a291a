/*
description: >
  The users of an account with the day each was known to belong to it, and the day each was known to be internal or listed, if ever.
grain: one row per account and user
key: [account_key, user_key]
not_null: [account_key, user_key, canonical_user_key, known_date]
*/
WITH placed AS (
  SELECT
    p.user_key, l.canonical_user_key,
    CASE WHEN p.account_key <> 0 THEN p.account_key ELSE l.account_key END AS announced_key,
    CASE WHEN p.account_key <> 0 THEN p.known_date ELSE greatest(p.known_date, l.known_date) END AS known_date
  FROM intermediate.account_users AS p
  INNER JOIN intermediate.user_links AS l ON l.user_key = p.user_key
),

merged AS (
  SELECT
    coalesce(m.account_key, p.announced_key) AS account_key, p.user_key, p.canonical_user_key,
    min(greatest(p.known_date, coalesce(m.known_date, p.known_date))) AS known_date
  FROM placed AS p
  LEFT JOIN intermediate.account_links AS m ON m.announced_key = p.announced_key
  GROUP BY coalesce(m.account_key, p.announced_key), p.user_key, p.canonical_user_key
)

SELECT
  CAST(p.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(p.user_key AS INTEGER) AS user_key, -- user as announced
  CAST(p.canonical_user_key AS INTEGER) AS canonical_user_key, -- the person
  CAST(p.known_date AS DATE) AS known_date, -- reporting day from which the user is known to belong to the account
  CAST(u.excluded_date AS DATE) AS excluded_date -- reporting day from which the user is known to be excluded, NULL when not
FROM merged AS p
INNER JOIN intermediate.users AS u ON u.user_key = p.user_key
