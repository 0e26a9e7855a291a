/*
description: >
  Stripe customers nobody could tie to an account, for `doctor` and for mending: give their metadata the configured key, or put them into
  the file of [identity] customer_map. They count as accounts of their own until then.
grain: one row per unresolved Stripe customer
key: [customer_id]
not_null: [customer_id, first_known_at, subscriptions]
published: true
*/
WITH latest AS (
  SELECT s.customer_id, s.email, s.name, row_number() OVER (PARTITION BY s.customer_id ORDER BY s.occurred_at DESC, s.known_at DESC, s.record_id) AS place
  FROM staging.stripe_customers AS s
  CROSS JOIN config.clock AS c
  WHERE s.occurred_at < c.as_of AND s.known_at < c.known_at AND NOT s.is_deleted
),

subscribed AS (
  SELECT s.customer_id, count(DISTINCT s.subscription_id) AS subscriptions
  FROM staging.stripe_subscriptions AS s
  CROSS JOIN config.clock AS c
  WHERE s.occurred_at < c.as_of AND s.known_at < c.known_at
  GROUP BY s.customer_id
)

SELECT
  CAST(a.customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(l.email AS VARCHAR) AS email, -- its latest e-mail address
  CAST(l.name AS VARCHAR) AS name, -- its latest name
  CAST(coalesce(s.subscriptions, 0) AS INTEGER) AS subscriptions, -- subscriptions it has or had
  CAST(a.known_at AS TIMESTAMP) AS first_known_at -- when it was first seen
FROM intermediate.customer_accounts AS a
LEFT JOIN latest AS l ON l.customer_id = a.customer_id AND l.place = 1
LEFT JOIN subscribed AS s ON s.customer_id = a.customer_id
WHERE a.method = 'unresolved'
