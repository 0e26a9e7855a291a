/*
description: Every payment method a Stripe customer is known to have had. Proof are setup_intent.succeeded and payment_method.attached (or the cards and sources of old API versions), and a subscription or customer that names it. An automatic update of a card is no proof.
grain: one row per customer and payment method
key: [customer_id, payment_method_id]
not_null: [customer_id, payment_method_id, first_at, first_known_at]
incremental: [customer_id]
*/
WITH proofs AS (  -- a snapshot is no dated proof that its method was attached: it counts from its landing on
  SELECT s.customer_id, s.payment_method_id, s.occurred_at AS at, s.known_at, 'added' AS what
  FROM staging.stripe_setup_intents AS s
  CROSS JOIN config.clock AS c
  WHERE s.status = 'succeeded' AND s.occurred_at < c.as_of AND s.known_at < c.known_at
  UNION ALL
  SELECT m.customer_id, m.payment_method_id, m.occurred_at, m.known_at, 'added'
  FROM staging.stripe_payment_methods AS m
  CROSS JOIN config.clock AS c
  WHERE (m.kind = 'object' OR m.event_type IN ('payment_method.attached', 'customer.source.created')) AND m.occurred_at < c.as_of AND m.known_at < c.known_at
  UNION ALL
  SELECT m.customer_id, m.payment_method_id, m.occurred_at, m.known_at, 'removed'
  FROM staging.stripe_payment_methods AS m
  CROSS JOIN config.clock AS c
  WHERE m.event_type IN ('payment_method.detached', 'customer.source.deleted') AND m.occurred_at < c.as_of AND m.known_at < c.known_at
  UNION ALL
  SELECT u.customer_id, u.default_payment_method, u.occurred_at, u.known_at, 'named'
  FROM staging.stripe_customers AS u
  CROSS JOIN config.clock AS c
  WHERE u.occurred_at < c.as_of AND u.known_at < c.known_at
  UNION ALL
  SELECT b.customer_id, b.default_payment_method, b.occurred_at, b.known_at, 'named'
  FROM staging.stripe_subscriptions AS b
  CROSS JOIN config.clock AS c
  WHERE b.occurred_at < c.as_of AND b.known_at < c.known_at
),
cut AS (
  SELECT p.customer_id, p.payment_method_id, p.at, p.known_at, p.what
  FROM proofs AS p
  WHERE p.customer_id IS NOT NULL AND p.payment_method_id IS NOT NULL
),
methods AS (
  SELECT customer_id, payment_method_id,
    min(CASE WHEN what <> 'removed' THEN at END) AS first_at, min(CASE WHEN what <> 'removed' THEN known_at END) AS first_known_at,
    min(CASE WHEN what = 'added' THEN at END) AS added_at, min(CASE WHEN what = 'added' THEN known_at END) AS added_known_at,
    min(CASE WHEN what = 'removed' THEN at END) AS removed_at, min(CASE WHEN what = 'removed' THEN known_at END) AS removed_known_at
  FROM cut
  GROUP BY customer_id, payment_method_id
)
SELECT
  CAST(customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(payment_method_id AS VARCHAR) AS payment_method_id, -- Stripe's id
  CAST(first_at AS TIMESTAMP) AS first_at, -- from when it is proved to be there
  CAST(first_known_at AS TIMESTAMP) AS first_known_at, -- when that was known
  CAST(added_at AS TIMESTAMP) AS added_at, -- when it was set up or attached; NULL where it is only named
  CAST(added_known_at AS TIMESTAMP) AS added_known_at, -- when that was known
  CAST(removed_at AS TIMESTAMP) AS removed_at, -- when it was detached
  CAST(removed_known_at AS TIMESTAMP) AS removed_known_at -- when that was known
FROM methods
WHERE first_at IS NOT NULL
