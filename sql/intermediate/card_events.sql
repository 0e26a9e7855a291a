/*
description: Payment methods that were stored at Stripe, with the account of their customer. A network's automatic update of a card is none.
grain: one row per Stripe record that proves one
key: [record_id]
not_null: [record_id, customer_id, account_key, evidence_id, occurred_at, activity_date, known_date]
incremental: [customer_id]
*/
WITH instant_days AS (  -- the reporting days each UTC date touches: an equality for the join, or it would compare every day
  SELECT CAST(starts_at AS DATE) AS utc_date, day, starts_at, ends_at FROM config.calendar
  UNION
  SELECT CAST(ends_at AS DATE), day, starts_at, ends_at FROM config.calendar
),

cards AS (
  SELECT s.record_id, s.customer_id, s.occurred_at, s.known_at, s.setup_intent_id AS evidence_id
  FROM staging.stripe_setup_intents AS s
  CROSS JOIN config.clock AS c
  WHERE s.event_type = 'setup_intent.succeeded' AND s.occurred_at < c.as_of AND s.known_at < c.known_at
  UNION ALL
  SELECT s.record_id, s.customer_id, s.occurred_at, s.known_at, s.payment_method_id AS evidence_id
  FROM staging.stripe_payment_methods AS s
  CROSS JOIN config.clock AS c
  WHERE s.event_type IN ('payment_method.attached', 'customer.source.created', 'customer.card.created') AND s.occurred_at < c.as_of AND s.known_at < c.known_at
  UNION ALL
  -- the snapshot of an attached payment method proves its own created instant
  SELECT s.record_id, s.customer_id, s.method_created_at AS occurred_at, s.known_at, s.payment_method_id AS evidence_id
  FROM staging.stripe_payment_methods AS s
  CROSS JOIN config.clock AS c
  WHERE s.kind = 'object' AND s.method_created_at < c.as_of AND s.known_at < c.known_at
)

SELECT
  CAST(k.record_id AS VARCHAR) AS record_id, -- Stripe record that proves it
  CAST(k.customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(a.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(k.evidence_id AS VARCHAR) AS evidence_id, -- setup intent or payment method
  CAST(k.occurred_at AS TIMESTAMP) AS occurred_at, -- when it was stored
  CAST(d.day AS DATE) AS activity_date, -- reporting day of it
  CAST(greatest(d.day, n.day, a.known_date) AS DATE) AS known_date -- reporting day from which it may be used for the account
FROM cards AS k
INNER JOIN intermediate.account_customers AS a ON a.customer_id = k.customer_id
INNER JOIN instant_days AS d ON d.utc_date = CAST(k.occurred_at AS DATE) AND k.occurred_at >= d.starts_at AND k.occurred_at < d.ends_at
INNER JOIN instant_days AS n ON n.utc_date = CAST(k.known_at AS DATE) AND k.known_at >= n.starts_at AND k.known_at < n.ends_at
