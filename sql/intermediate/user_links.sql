/*
description: >
  The account of a user for calls that name none: the first account any call of that person named, by the instant it was known, so that the
  link never moves as more arrives. People who never named one have an account of their own, user:<id>. Accounts are as announced:
  intermediate.account_links comes after this.
grain: one row per user seen
key: [user_key]
not_null: [user_key, canonical_user_key, announced_key, account_id, known_at, known_date]
incremental: [canonical_user_key]
*/
WITH pairs AS (
  SELECT
    p.user_key, p.account_key, p.first_at, p.canonical_user_key, p.own_account_id,
    greatest(p.known_at, coalesce(p.joined_at, p.known_at)) AS known_at,
    greatest(p.known_date, coalesce(p.joined_date, p.known_date)) AS known_date
  FROM intermediate.first_sightings AS p
),

people AS (
  SELECT p.user_key, p.canonical_user_key, p.own_account_id, min(p.known_at) AS known_at, min(p.known_date) AS known_date
  FROM pairs AS p
  GROUP BY p.user_key, p.canonical_user_key, p.own_account_id
),

named AS (
  SELECT
    p.canonical_user_key, p.account_key, a.account_id, p.known_at, p.known_date,
    row_number() OVER (PARTITION BY p.canonical_user_key ORDER BY p.known_at, p.first_at, a.account_id) AS place
  FROM pairs AS p
  INNER JOIN staging.accounts AS a ON a.account_key = p.account_key
  WHERE p.account_key <> 0
),

linked AS (
  SELECT
    p.user_key, p.canonical_user_key, p.own_account_id, n.account_key AS named_key, n.account_id AS named_id, p.known_at AS seen_known_at, p.known_date AS seen_known_date,
    greatest(n.known_at, p.known_at) AS named_known_at, greatest(n.known_date, p.known_date) AS named_known_date
  FROM people AS p
  LEFT JOIN named AS n ON n.canonical_user_key = p.canonical_user_key AND n.place = 1
)

SELECT
  CAST(l.user_key AS INTEGER) AS user_key, -- user as announced
  CAST(l.canonical_user_key AS INTEGER) AS canonical_user_key, -- the person: the user itself, or the one it is an alias of
  CAST(coalesce(l.named_key, own.account_key) AS INTEGER) AS announced_key, -- account of the person, as announced
  CAST(coalesce(l.named_id, own.account_id) AS VARCHAR) AS account_id, -- its id
  CAST(CASE WHEN l.named_key IS NULL THEN l.seen_known_at ELSE l.named_known_at END AS TIMESTAMP) AS known_at, -- when the link was known
  CAST(CASE WHEN l.named_key IS NULL THEN l.seen_known_date ELSE l.named_known_date END AS DATE) AS known_date -- reporting day from which it may be used
FROM linked AS l
LEFT JOIN staging.accounts AS own ON own.account_id = l.own_account_id
WHERE coalesce(l.named_key, own.account_key) IS NOT NULL
