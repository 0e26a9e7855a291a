/*
description: >
  The account of every Stripe customer. In this order: the configured key in the customer's or its subscriptions' metadata, the
  client_reference_id of a checkout session, the mapping file, the e-mail address of a known user; else an account of its own,
  stripe:<customer>, method unresolved. Within a method the account named last wins, from the instant it was first named. Accounts are as
  announced: intermediate.account_links comes after this.
grain: one row per Stripe customer seen
key: [customer_id]
not_null: [customer_id, account_key, account_id, method, known_at, known_date, is_test]
incremental: [customer_id]
accepted: {method: [metadata, checkout, map, email, unresolved]}
decision: customer-to-account
*/
WITH instant_days AS (  -- the reporting days each UTC date touches: an equality for the join, or it would compare every day
  SELECT CAST(starts_at AS DATE) AS utc_date, day, starts_at, ends_at FROM config.calendar
  UNION
  SELECT CAST(ends_at AS DATE), day, starts_at, ends_at FROM config.calendar
),

customers AS (
  SELECT s.customer_id, s.own_account_id, min(s.known_at) AS known_at, min(CASE WHEN s.livemode THEN 1 ELSE 0 END) AS lives, count(s.livemode) AS told
  FROM intermediate.customer_mentions AS s
  GROUP BY s.customer_id, s.own_account_id
),

candidates AS (
  SELECT s.customer_id, a.account_key, a.account_id, 'metadata' AS method, 1 AS priority, s.known_at, s.occurred_at
  FROM intermediate.customer_mentions AS s INNER JOIN staging.accounts AS a ON a.account_id = s.metadata_account_id
  UNION ALL
  SELECT s.customer_id, a.account_key, a.account_id, 'checkout' AS method, 2 AS priority, s.known_at, s.occurred_at
  FROM intermediate.customer_mentions AS s INNER JOIN staging.accounts AS a ON a.account_id = s.reference_account_id
  UNION ALL
  SELECT k.customer_id, a.account_key, a.account_id, 'map' AS method, 3 AS priority, k.known_at, k.known_at AS occurred_at
  FROM customers AS k INNER JOIN config.customer_map AS m ON m.customer_id = k.customer_id INNER JOIN staging.accounts AS a ON a.account_id = m.account_id
  UNION ALL
  SELECT s.customer_id, a.account_key, a.account_id, 'email' AS method, 4 AS priority, greatest(s.known_at, p.known_at) AS known_at, s.occurred_at
  FROM intermediate.customer_mentions AS s INNER JOIN intermediate.address_accounts AS p ON p.email = s.email INNER JOIN staging.accounts AS a ON a.account_id = p.account_id
  UNION ALL
  SELECT k.customer_id, a.account_key, a.account_id, 'unresolved' AS method, 5 AS priority, k.known_at, k.known_at AS occurred_at
  FROM customers AS k INNER JOIN staging.accounts AS a ON a.account_id = k.own_account_id
),

named AS (
  SELECT d.customer_id, d.account_key, d.account_id, d.method, d.priority, min(d.known_at) AS known_at, max(d.occurred_at) AS last_said_at
  FROM candidates AS d
  GROUP BY d.customer_id, d.account_key, d.account_id, d.method, d.priority
),

ranked AS (
  SELECT n.*, row_number() OVER (PARTITION BY n.customer_id ORDER BY n.priority, n.last_said_at DESC, n.account_id) AS place
  FROM named AS n
)

SELECT
  CAST(r.customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(r.account_key AS INTEGER) AS account_key, -- account, as announced
  CAST(r.account_id AS VARCHAR) AS account_id, -- its id
  CAST(r.method AS VARCHAR) AS method, -- how it was found; unresolved when it was not
  CAST(r.known_at AS TIMESTAMP) AS known_at, -- when the link was first known
  CAST(d.day AS DATE) AS known_date, -- reporting day of it
  CAST(k.told > 0 AND k.lives = 0 AS BOOLEAN) AS is_test -- a test-mode customer
FROM ranked AS r
INNER JOIN customers AS k ON k.customer_id = r.customer_id
INNER JOIN instant_days AS d ON d.utc_date = CAST(r.known_at AS DATE) AND r.known_at >= d.starts_at AND r.known_at < d.ends_at
WHERE r.place = 1
