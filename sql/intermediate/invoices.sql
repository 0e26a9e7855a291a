/*
description: Every Stripe invoice as of the cut with what became of its money.
grain: one row per invoice
key: [invoice_id]
not_null: [invoice_id, status, created_at, known_at, refunded_minor, has_service]
incremental: [invoice_id]
accepted: {status: [draft, open, paid, uncollectible, void, deleted], settlement: [card, credit_balance, out_of_band, free]}
*/
SELECT
  CAST(i.invoice_id AS VARCHAR) AS invoice_id, -- Stripe's id
  CAST(i.subscription_id AS VARCHAR) AS subscription_id, -- subscription billed; NULL for one-off invoices
  CAST(i.customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(i.status AS VARCHAR) AS status, -- status as of the cut
  CAST(i.created_at AS TIMESTAMP) AS created_at, -- when it was made
  CAST(i.paid_at AS TIMESTAMP) AS paid_at, -- when it was paid
  CAST(i.failed_at AS TIMESTAMP) AS failed_at, -- first sign that it could not be collected
  CAST(i.total_minor AS BIGINT) AS total_minor, -- after discounts and tax, before the credit balance
  CAST(i.amount_paid_minor AS BIGINT) AS amount_paid_minor, -- collected
  CAST(i.currency AS VARCHAR) AS currency, -- ISO 4217 code
  CAST(i.service_start_at AS TIMESTAMP) AS service_start_at, -- start of the latest service period billed
  CAST(i.service_from_at AS TIMESTAMP) AS service_from_at, -- start of the earliest service period billed
  CAST(i.service_end_at AS TIMESTAMP) AS service_end_at, -- end of the latest one
  CAST(i.has_service AS BOOLEAN) AS has_service, -- whether a subscription line costs something before discounts
  CAST(i.settlement AS VARCHAR) AS settlement, -- how it was paid
  CAST(i.known_at AS TIMESTAMP) AS known_at, -- when the invoice was first known
  CAST(i.paid_known_at AS TIMESTAMP) AS paid_known_at, -- when the payment was first known
  CAST(coalesce(r.refunded_minor, 0) AS BIGINT) AS refunded_minor, -- given back so far
  CAST(r.refunded_at AS TIMESTAMP) AS refunded_at, -- when all of it had been given back
  CAST(r.disputed_lost_at AS TIMESTAMP) AS disputed_lost_at -- when a dispute over it was lost
FROM intermediate.invoice_states AS i
LEFT JOIN intermediate.invoice_reversals AS r ON r.invoice_id = i.invoice_id
