/*
description: Whom each announced account and user belong to - the account after merges, and the person. A user seen without an account belongs to that of its link.
grain: one row per announced account (0 for none) and user (0 for none)
key: [account_key, user_key]
not_null: [account_key, user_key, placed_key, known_date, first_at, last_at, events]
incremental: [account_key, user_key]
*/
WITH linked AS (
  SELECT
    p.account_key, p.user_key, l.canonical_user_key, p.first_at, p.last_at, p.events,
    CASE WHEN p.account_key <> 0 THEN coalesce(m.account_key, p.account_key) ELSE coalesce(n.account_key, l.announced_key) END AS placed_key,
    CASE WHEN p.account_key <> 0 THEN p.known_date ELSE greatest(p.known_date, coalesce(l.known_date, p.known_date)) END AS linked_date,
    CASE WHEN p.account_key <> 0 THEN m.known_date ELSE n.known_date END AS merged_date
  FROM intermediate.account_users AS p
  LEFT JOIN intermediate.user_links AS l ON l.user_key = p.user_key
  LEFT JOIN intermediate.account_links AS m ON m.announced_key = p.account_key
  LEFT JOIN intermediate.account_links AS n ON n.announced_key = l.announced_key
)

SELECT
  CAST(k.account_key AS INTEGER) AS account_key, -- account as announced, 0 for none
  CAST(k.user_key AS INTEGER) AS user_key, -- user as announced, 0 for none
  CAST(k.placed_key AS INTEGER) AS placed_key, -- account after merges
  CAST(k.canonical_user_key AS INTEGER) AS canonical_user_key, -- the person; NULL where nobody is named
  CAST(greatest(k.linked_date, coalesce(k.merged_date, k.linked_date)) AS DATE) AS known_date, -- reporting day from which the user is known to belong to the account
  CAST(k.first_at AS TIMESTAMP) AS first_at, -- first time the two were seen together
  CAST(k.last_at AS TIMESTAMP) AS last_at, -- last time
  CAST(k.events AS BIGINT) AS events -- events of the user that name the account
FROM linked AS k
WHERE k.placed_key IS NOT NULL
