/*
description: Paid Stripe invoices of every account, whichever of its customers and subscriptions paid them.
grain: one row per paid invoice
key: [invoice_id]
not_null: [invoice_id, account_key, paid_at]
incremental: [invoice_id]
*/
SELECT
  CAST(i.invoice_id AS VARCHAR) AS invoice_id, -- Stripe's id
  CAST(a.account_key AS INTEGER) AS account_key, -- account, merges followed
  CAST(i.subscription_id AS VARCHAR) AS subscription_id, -- subscription billed; NULL for one-off invoices
  CAST(i.paid_at AS TIMESTAMP) AS paid_at, -- when it was paid
  CAST(i.paid_known_at AS TIMESTAMP) AS paid_known_at, -- when that was known
  CAST(i.total_minor AS BIGINT) AS total_minor, -- after discounts and tax, before the credit balance
  CAST(i.currency AS VARCHAR) AS currency, -- ISO 4217 code
  CAST(i.has_service AS BOOLEAN) AS has_service, -- whether a subscription line costs something before discounts
  CAST(i.service_from_at AS TIMESTAMP) AS service_from_at, -- start of the earliest service period
  CAST(i.service_end_at AS TIMESTAMP) AS service_end_at -- end of the latest one
FROM intermediate.invoices AS i
INNER JOIN intermediate.account_customers AS a ON a.customer_id = i.customer_id
WHERE i.paid_at IS NOT NULL
