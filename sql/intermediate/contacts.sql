/*
description: >
  The people of an account, best contact first: an e-mail address is known and the person is not excluded; then the day last seen, the
  number of events, and the user id to settle ties.
grain: one row per account and person
key: [account_key, canonical_user_key]
not_null: [account_key, canonical_user_key, place, is_excluded]
*/
WITH seen AS (
  SELECT
    coalesce(m.account_key, CASE WHEN p.account_key <> 0 THEN p.account_key ELSE l.account_key END) AS account_key,
    l.canonical_user_key, p.first_at, p.last_at, p.events
  FROM intermediate.account_users AS p
  INNER JOIN intermediate.user_links AS l ON l.user_key = p.user_key
  LEFT JOIN intermediate.account_links AS m
    ON m.announced_key = CASE WHEN p.account_key <> 0 THEN p.account_key ELSE l.account_key END
),

people AS (
  SELECT s.account_key, s.canonical_user_key, min(s.first_at) AS first_at, max(s.last_at) AS last_at, sum(s.events) AS events
  FROM seen AS s
  GROUP BY s.account_key, s.canonical_user_key
)

SELECT
  CAST(p.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(p.canonical_user_key AS INTEGER) AS canonical_user_key, -- the person
  CAST(n.user_id AS VARCHAR) AS user_id, -- the person's id
  CAST(u.email AS VARCHAR) AS email, -- latest e-mail address
  CAST(u.name AS VARCHAR) AS name, -- latest name
  CAST(u.title AS VARCHAR) AS title, -- latest job title
  CAST(u.is_excluded AS BOOLEAN) AS is_excluded, -- internal or listed: never a contact
  CAST(p.first_at AS TIMESTAMP) AS first_seen_at, -- first seen in this account
  CAST(p.last_at AS TIMESTAMP) AS last_seen_at, -- last seen in it
  CAST(p.events AS BIGINT) AS events, -- events in it
  CAST(row_number() OVER (
    PARTITION BY p.account_key
    ORDER BY CASE WHEN u.is_excluded THEN 1 ELSE 0 END, CASE WHEN u.email IS NULL THEN 1 ELSE 0 END, CAST(p.last_at AS DATE) DESC, p.events DESC, n.user_id
  ) AS INTEGER) AS place -- 1 = whom to call
FROM people AS p
INNER JOIN intermediate.users AS u ON u.user_key = p.canonical_user_key
INNER JOIN staging.users AS n ON n.user_key = p.canonical_user_key
