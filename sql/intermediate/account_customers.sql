/*
description: The account of every Stripe customer, merges followed.
grain: one row per Stripe customer seen
key: [customer_id]
not_null: [customer_id, account_key, announced_key, linked_at, linked_date, known_at, known_date, is_test]
incremental: [customer_id]
*/
SELECT
  CAST(c.customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(coalesce(l.account_key, c.account_key) AS INTEGER) AS account_key, -- account, merges followed
  CAST(c.account_key AS INTEGER) AS announced_key, -- account as announced
  CAST(c.known_at AS TIMESTAMP) AS linked_at, -- when the link to the announced account was first known
  CAST(c.known_date AS DATE) AS linked_date, -- reporting day of it
  CAST(CASE WHEN l.known_at > c.known_at THEN l.known_at ELSE c.known_at END AS TIMESTAMP) AS known_at, -- when the account was known, with the merge
  CAST(CASE WHEN l.known_date > c.known_date THEN l.known_date ELSE c.known_date END AS DATE) AS known_date, -- reporting day of it
  CAST(c.is_test AS BOOLEAN) AS is_test -- a test-mode customer
FROM intermediate.customer_accounts AS c
LEFT JOIN intermediate.account_links AS l ON l.announced_key = c.account_key
