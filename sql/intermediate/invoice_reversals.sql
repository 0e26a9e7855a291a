/*
description: What was taken back of a paid invoice, by refunds or a lost dispute. Refund objects and the running total on the charge tell the same money; the larger one counts.
grain: one row per invoice with a refund or a lost dispute
key: [invoice_id]
not_null: [invoice_id, refunded_minor]
*/
WITH payments AS (  -- the same payment goes by its charge or by its payment intent
  SELECT invoice_id, charge_id AS reference FROM intermediate.invoice_states WHERE charge_id IS NOT NULL
  UNION
  SELECT invoice_id, payment_intent_id FROM intermediate.invoice_states WHERE payment_intent_id IS NOT NULL
  UNION
  SELECT p.invoice_id, coalesce(p.payment_intent_id, p.charge_id) FROM staging.stripe_invoice_payments AS p
  CROSS JOIN config.clock AS c
  WHERE p.known_at < c.known_at AND p.invoice_id IS NOT NULL AND coalesce(p.payment_intent_id, p.charge_id) IS NOT NULL
  UNION
  SELECT h.invoice_id, h.charge_id FROM staging.stripe_charges AS h
  CROSS JOIN config.clock AS c
  WHERE h.known_at < c.known_at AND h.invoice_id IS NOT NULL
),
refund_records AS (
  SELECT r.*, coalesce(r.refund_created_at, r.occurred_at) AS at,
    row_number() OVER (PARTITION BY r.refund_id ORDER BY r.occurred_at DESC, r.load_order DESC, r.record_id) AS place
  FROM staging.stripe_refunds AS r
  CROSS JOIN config.clock AS c
  WHERE r.known_at < c.known_at AND CASE WHEN r.refund_created_at IS NULL THEN r.occurred_at < c.as_of ELSE r.refund_created_at < c.as_of END
    AND (r.kind = 'object' OR r.occurred_at < c.as_of)
),
referred AS (
  SELECT refund_id, at, amount_minor, charge_id AS reference FROM refund_records WHERE place = 1 AND coalesce(status, 'succeeded') = 'succeeded'
  UNION
  SELECT refund_id, at, amount_minor, payment_intent_id FROM refund_records WHERE place = 1 AND coalesce(status, 'succeeded') = 'succeeded'
),
refunds AS (  -- one row per invoice and refund, whichever reference matched
  SELECT DISTINCT p.invoice_id, r.refund_id, r.at, r.amount_minor
  FROM referred AS r
  INNER JOIN payments AS p ON p.reference = r.reference
),
charged AS (
  SELECT h.charge_id AS reference, h.occurred_at AS at, h.amount_refunded_minor FROM staging.stripe_charges AS h
  CROSS JOIN config.clock AS c
  WHERE h.known_at < c.known_at AND h.occurred_at < c.as_of AND h.amount_refunded_minor > 0
  UNION
  SELECT h.payment_intent_id, h.occurred_at, h.amount_refunded_minor FROM staging.stripe_charges AS h
  CROSS JOIN config.clock AS c
  WHERE h.known_at < c.known_at AND h.occurred_at < c.as_of AND h.amount_refunded_minor > 0
),
totals AS (
  SELECT invoice_id, at, CAST(sum(amount_minor) OVER (PARTITION BY invoice_id ORDER BY at, refund_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS refunded_minor
  FROM refunds
  UNION ALL
  SELECT p.invoice_id, h.at, h.amount_refunded_minor
  FROM charged AS h
  INNER JOIN payments AS p ON p.reference = h.reference
),
refunded AS (
  SELECT t.invoice_id, max(t.refunded_minor) AS refunded_minor,
    min(CASE WHEN t.refunded_minor >= CASE WHEN i.amount_paid_minor > 0 THEN i.amount_paid_minor ELSE i.total_minor END THEN t.at END) AS refunded_at
  FROM totals AS t
  INNER JOIN intermediate.invoice_states AS i ON i.invoice_id = t.invoice_id
  GROUP BY t.invoice_id
),
disputes AS (
  SELECT d.charge_id AS reference, d.occurred_at AS at FROM staging.stripe_disputes AS d
  CROSS JOIN config.clock AS c
  WHERE d.known_at < c.known_at AND d.occurred_at < c.as_of AND d.status = 'lost'
  UNION
  SELECT d.payment_intent_id, d.occurred_at FROM staging.stripe_disputes AS d
  CROSS JOIN config.clock AS c
  WHERE d.known_at < c.known_at AND d.occurred_at < c.as_of AND d.status = 'lost'
),
lost AS (
  SELECT p.invoice_id, min(d.at) AS lost_at
  FROM disputes AS d
  INNER JOIN payments AS p ON p.reference = d.reference
  GROUP BY p.invoice_id
)
SELECT
  CAST(coalesce(r.invoice_id, l.invoice_id) AS VARCHAR) AS invoice_id, -- Stripe invoice
  CAST(coalesce(r.refunded_minor, 0) AS BIGINT) AS refunded_minor, -- given back so far, minor units of the invoice's currency
  CAST(r.refunded_at AS TIMESTAMP) AS refunded_at, -- when all of it had been given back; NULL while it is a part
  CAST(l.lost_at AS TIMESTAMP) AS disputed_lost_at -- when a dispute over it was lost
FROM refunded AS r
FULL OUTER JOIN lost AS l ON l.invoice_id = r.invoice_id
