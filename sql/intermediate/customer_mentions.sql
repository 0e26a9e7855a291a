/*
description: What every Stripe record that names a customer says of the account behind it.
grain: one row per record
key: [record_id]
not_null: [record_id, customer_id, own_account_id, occurred_at, known_at]
incremental: [customer_id]
*/
WITH said AS (
  -- a snapshot proves a customer from its created instant; what it says is known from landing on
  SELECT
    s.record_id, s.customer_id, coalesce(s.metadata, '{}') AS metadata, CAST(NULL AS VARCHAR) AS reference, s.email, s.livemode, s.known_at,
    CASE WHEN s.kind = 'object' THEN coalesce(s.customer_created_at, s.occurred_at) ELSE s.occurred_at END AS occurred_at
  FROM staging.stripe_customers AS s
  CROSS JOIN config.clock AS c
  WHERE s.known_at < c.known_at AND CASE WHEN s.kind = 'object' AND s.customer_created_at IS NOT NULL THEN s.customer_created_at < c.as_of ELSE s.occurred_at < c.as_of END
  UNION ALL
  SELECT
    s.record_id, s.customer_id, coalesce(s.metadata, '{}') AS metadata, CAST(NULL AS VARCHAR) AS reference, CAST(NULL AS VARCHAR) AS email, s.livemode, s.known_at,
    CASE WHEN s.kind = 'object' THEN coalesce(s.subscription_created_at, s.occurred_at) ELSE s.occurred_at END AS occurred_at
  FROM staging.stripe_subscriptions AS s
  CROSS JOIN config.clock AS c
  WHERE s.known_at < c.known_at AND CASE WHEN s.kind = 'object' AND s.subscription_created_at IS NOT NULL THEN s.subscription_created_at < c.as_of ELSE s.occurred_at < c.as_of END
  UNION ALL
  SELECT
    s.record_id, s.customer_id, '{}' AS metadata, s.client_reference_id AS reference, s.email, s.livemode, s.known_at,
    CASE WHEN s.kind = 'object' THEN coalesce(s.session_created_at, s.occurred_at) ELSE s.occurred_at END AS occurred_at
  FROM staging.stripe_checkout_sessions AS s
  CROSS JOIN config.clock AS c
  WHERE s.known_at < c.known_at AND CASE WHEN s.kind = 'object' AND s.session_created_at IS NOT NULL THEN s.session_created_at < c.as_of ELSE s.occurred_at < c.as_of END
)

SELECT
  CAST(s.record_id AS VARCHAR) AS record_id, -- Stripe record
  CAST(s.customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST('stripe:' || s.customer_id AS VARCHAR) AS own_account_id, -- account of a customer nobody ties to one
  CAST(CAST(s.metadata AS JSON) ->> p.account_metadata_key AS VARCHAR) AS metadata_account_id, -- account in its metadata
  CAST(s.reference AS VARCHAR) AS reference_account_id, -- account a checkout session refers to
  CAST(lower(trim(s.email)) AS VARCHAR) AS email, -- address, lower case
  CAST(s.livemode AS BOOLEAN) AS livemode, -- false for test mode
  CAST(s.occurred_at AS TIMESTAMP) AS occurred_at, -- when it was said
  CAST(s.known_at AS TIMESTAMP) AS known_at -- when it could first be known
FROM said AS s
CROSS JOIN config.parameters AS p
WHERE s.customer_id IS NOT NULL
