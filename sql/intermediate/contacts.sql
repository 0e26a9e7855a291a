/*
description: >
  The people of an account, best contact first: an e-mail address is known and the person is not excluded; then the day last seen, the
  number of events, and the user id to settle ties.
grain: one row per account and person
key: [account_key, canonical_user_key]
not_null: [account_key, canonical_user_key, place, is_excluded]
incremental: [account_key]
*/
WITH people AS (
  SELECT p.account_key, p.canonical_user_key, max(p.last_at) AS last_at, sum(p.events) AS events
  FROM intermediate.account_people AS p
  WHERE p.canonical_user_key IS NOT NULL
  GROUP BY p.account_key, p.canonical_user_key
)

SELECT
  CAST(p.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(p.canonical_user_key AS INTEGER) AS canonical_user_key, -- the person
  CAST(u.user_id AS VARCHAR) AS user_id, -- the person's id
  CAST(u.email AS VARCHAR) AS email, -- latest e-mail address
  CAST(u.name AS VARCHAR) AS name, -- latest name
  CAST(u.title AS VARCHAR) AS title, -- latest job title
  CAST(u.is_excluded AS BOOLEAN) AS is_excluded, -- internal or listed: never a contact
  -- how often and when somebody was seen decides the place and stands nowhere: it changes with every event
  CAST(row_number() OVER (
    PARTITION BY p.account_key
    ORDER BY CASE WHEN u.is_excluded THEN 1 ELSE 0 END, CASE WHEN u.email IS NULL THEN 1 ELSE 0 END, CAST(p.last_at AS DATE) DESC, p.events DESC, u.user_id
  ) AS INTEGER) AS place -- 1 = whom to call
FROM people AS p
INNER JOIN intermediate.users AS u ON u.user_key = p.canonical_user_key
