/*
description: Every Stripe invoice as of the cut, put together from all its records. A snapshot proves its dated transitions and the amounts of an invoice that was final; its status alone counts from its landing on.
grain: one row per invoice
key: [invoice_id]
not_null: [invoice_id, status, created_at, known_at, has_service]
accepted: {status: [draft, open, paid, uncollectible, void, deleted]}
incremental: [invoice_id]
*/
WITH known AS (
  SELECT i.*,
    CASE WHEN i.event_type = 'invoice.deleted' THEN 'deleted' ELSE i.status END AS told_status,
    CASE WHEN i.occurred_at < c.as_of THEN 1 ELSE 0 END AS is_told,  -- later than the cut a snapshot proves its dated transitions alone
    CASE WHEN i.status = 'paid' AND CASE WHEN i.paid_at IS NULL THEN i.occurred_at < c.as_of ELSE i.paid_at < c.as_of END THEN coalesce(i.paid_at, i.occurred_at) END AS paid_told_at,
    CASE WHEN i.status = 'void' AND CASE WHEN i.voided_at IS NULL THEN i.occurred_at < c.as_of ELSE i.voided_at < c.as_of END THEN coalesce(i.voided_at, i.occurred_at) END AS voided_told_at,
    CASE WHEN i.status = 'uncollectible' AND CASE WHEN i.uncollectible_at IS NULL THEN i.occurred_at < c.as_of ELSE i.uncollectible_at < c.as_of END THEN coalesce(i.uncollectible_at, i.occurred_at) END AS given_up_at,
    CASE WHEN (i.event_type = 'invoice.payment_failed' OR (i.attempt_count > 0 AND i.status IN ('open', 'uncollectible', 'void'))) AND i.occurred_at < c.as_of THEN i.occurred_at END AS failed_told_at
  FROM staging.stripe_invoices AS i
  CROSS JOIN config.clock AS c
  WHERE i.known_at < c.known_at AND (i.occurred_at < c.as_of OR (i.kind = 'object' AND i.invoice_created_at < c.as_of))
),
facts AS (
  SELECT invoice_id, min(coalesce(invoice_created_at, occurred_at)) AS created_at, min(known_at) AS known_at,
    min(paid_told_at) AS paid_at, min(CASE WHEN paid_told_at IS NOT NULL THEN known_at END) AS paid_known_at,
    min(voided_told_at) AS voided_at, min(given_up_at) AS uncollectible_at, min(failed_told_at) AS failed_told_at,
    max(CASE WHEN is_told = 1 AND told_status = 'deleted' THEN 1 ELSE 0 END) AS was_deleted,
    max(CASE WHEN is_told = 1 AND told_status = 'open' THEN 1 WHEN kind = 'object' AND told_status <> 'draft' THEN 1 ELSE 0 END) AS was_open,
    max(CASE WHEN attempt_count > 0 AND is_told = 1 THEN 1 ELSE 0 END) AS was_attempted,
    max(subscription_id) AS subscription_id, max(customer_id) AS customer_id, max(charge_id) AS charge_id, max(payment_intent_id) AS payment_intent_id,
    max(CASE WHEN paid_out_of_band OR payment_type = 'payment_record' THEN 1 ELSE 0 END) AS is_out_of_band
  FROM known
  GROUP BY invoice_id
),
ranked AS (  -- a paid record has the amounts that were paid; before that the last one is nearest
  SELECT invoice_id, record_id, total_minor, amount_due_minor, amount_paid_minor, currency,
    row_number() OVER (PARTITION BY invoice_id ORDER BY CASE WHEN paid_told_at IS NOT NULL THEN 0 ELSE 1 END, occurred_at DESC, load_order DESC, record_id) AS place
  FROM known
),
service AS (  -- what the subscription costs; lines of 0 count only where nothing else is billed
  SELECT l.invoice_id, l.record_id, max(l.subscription_id) AS subscription_id, max(CASE WHEN l.amount_minor > 0 THEN 1 ELSE 0 END) AS is_priced,
    coalesce(max(CASE WHEN l.amount_minor > 0 THEN l.period_start_at END), max(l.period_start_at)) AS starts_at,
    coalesce(min(CASE WHEN l.amount_minor > 0 THEN l.period_start_at END), min(l.period_start_at)) AS covers_from,
    coalesce(max(CASE WHEN l.amount_minor > 0 THEN l.period_end_at END), max(l.period_end_at)) AS ends_at
  FROM staging.stripe_invoice_lines AS l
  CROSS JOIN config.clock AS c
  WHERE l.is_subscription AND l.known_at < c.known_at
  GROUP BY l.invoice_id, l.record_id
)
SELECT
  CAST(f.invoice_id AS VARCHAR) AS invoice_id, -- Stripe's id
  CAST(coalesce(f.subscription_id, s.subscription_id) AS VARCHAR) AS subscription_id, -- subscription billed; NULL for one-off invoices
  CAST(f.customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(CASE WHEN f.paid_at IS NOT NULL THEN 'paid' WHEN f.voided_at IS NOT NULL THEN 'void' WHEN f.uncollectible_at IS NOT NULL THEN 'uncollectible'
    WHEN f.was_deleted = 1 THEN 'deleted' WHEN f.was_open = 1 THEN 'open' ELSE 'draft' END AS VARCHAR) AS status, -- status as of the cut
  CAST(f.created_at AS TIMESTAMP) AS created_at, -- when it was made
  CAST(f.paid_at AS TIMESTAMP) AS paid_at, -- when it was paid
  CAST(CASE WHEN f.voided_at IS NOT NULL AND f.was_attempted = 1 THEN least(f.voided_at, coalesce(f.failed_told_at, f.voided_at))
    ELSE least(coalesce(f.failed_told_at, f.uncollectible_at), coalesce(f.uncollectible_at, f.failed_told_at)) END AS TIMESTAMP) AS failed_at, -- first sign that it could not be collected
  CAST(r.total_minor AS BIGINT) AS total_minor, -- after discounts and tax, before the credit balance
  CAST(coalesce(r.amount_paid_minor, 0) AS BIGINT) AS amount_paid_minor, -- collected
  CAST(r.currency AS VARCHAR) AS currency, -- ISO 4217 code
  CAST(s.starts_at AS TIMESTAMP) AS service_start_at, -- start of the latest service period billed; NULL without a subscription line
  CAST(s.covers_from AS TIMESTAMP) AS service_from_at, -- start of the earliest service period billed
  CAST(s.ends_at AS TIMESTAMP) AS service_end_at, -- end of the latest one
  CAST(coalesce(s.is_priced, 0) = 1 AS BOOLEAN) AS has_service, -- whether a subscription line costs something before discounts
  CAST(CASE WHEN f.paid_at IS NULL THEN NULL WHEN coalesce(r.total_minor, 0) <= 0 THEN 'free' WHEN f.is_out_of_band = 1 THEN 'out_of_band'
    WHEN r.amount_due_minor = 0 THEN 'credit_balance' ELSE 'card' END AS VARCHAR) AS settlement, -- card, credit_balance, out_of_band or free
  CAST(f.charge_id AS VARCHAR) AS charge_id, -- charge, where told
  CAST(f.payment_intent_id AS VARCHAR) AS payment_intent_id, -- payment intent, where told
  CAST(f.known_at AS TIMESTAMP) AS known_at, -- when the invoice was first known
  CAST(f.paid_known_at AS TIMESTAMP) AS paid_known_at -- when the payment was first known
FROM facts AS f
INNER JOIN ranked AS r ON r.invoice_id = f.invoice_id AND r.place = 1
LEFT JOIN service AS s ON s.invoice_id = r.invoice_id AND s.record_id = r.record_id
WHERE f.created_at IS NOT NULL
