/*
description: Every Stripe record of an invoice, event or snapshot, of any API version. Upcoming invoices have no id and are left out.
grain: one row per record
key: [record_id]
not_null: [record_id, invoice_id, occurred_at, known_at]
materialized: table  # several models read it, and a body is costly to read
*/
WITH r AS (  -- from_json reads a body once; a key that is absent or of another type is NULL
  SELECT record_id, kind, event_id, event_type, object_id, coalesce(CASE WHEN kind = 'event' THEN created_at ELSE landed_at END, known_at) AS occurred_at,
    known_at, load_order, livemode,
    from_json(object, '{"id": "VARCHAR", "customer": "JSON", "subscription": "JSON",
      "parent": {"subscription_details": {"subscription": "JSON"}}, "status": "VARCHAR", "paid": "BOOLEAN",
      "closed": "BOOLEAN", "forgiven": "BOOLEAN", "created": "UINTEGER", "date": "UINTEGER", "total": "BIGINT",
      "amount_due": "BIGINT", "amount_paid": "BIGINT", "starting_balance": "BIGINT",
      "paid_out_of_band": "BOOLEAN", "currency": "VARCHAR", "attempt_count": "BIGINT",
      "billing_reason": "VARCHAR", "charge": "JSON", "payment_intent": "JSON",
      "status_transitions": {"paid_at": "UINTEGER", "voided_at": "UINTEGER",
      "marked_uncollectible_at": "UINTEGER", "finalized_at": "UINTEGER"},
      "payments": {"data": [{"payment": {"type": "VARCHAR", "charge": "JSON",
      "payment_intent": "JSON"}}]}}') AS b
  FROM raw.stripe
  WHERE object_type = 'invoice'
)
SELECT
  CAST(r.record_id AS VARCHAR) AS record_id, -- record the row comes from
  CAST(r.kind AS VARCHAR) AS kind, -- event: says that something happened; object: a snapshot of a state
  CAST(r.event_id AS VARCHAR) AS event_id, -- Stripe's event id; NULL for snapshots
  CAST(r.event_type AS VARCHAR) AS event_type, -- Stripe's event type; NULL for snapshots
  CAST(r.occurred_at AS TIMESTAMP) AS occurred_at, -- when the event was created; for a snapshot when it was landed, for its undated fields prove no more
  CAST(r.known_at AS TIMESTAMP) AS known_at, -- when this could first be known
  CAST(r.load_order AS BIGINT) AS load_order, -- order of arrival
  CAST(r.livemode AS BOOLEAN) AS livemode, -- false for test mode
  CAST(r.object_id AS VARCHAR) AS invoice_id, -- Stripe's id
  CAST(coalesce(json_extract_string((b).customer, '$.id'), json_extract_string((b).customer, '$')) AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(coalesce(json_extract_string((b).parent.subscription_details.subscription, '$.id'), json_extract_string((b).parent.subscription_details.subscription, '$'), json_extract_string((b).subscription, '$.id'), json_extract_string((b).subscription, '$')) AS VARCHAR) AS subscription_id, -- subscription billed; NULL for a one-off invoice
  CAST(CASE WHEN (b).status IS NOT NULL THEN (b).status WHEN (b).paid THEN 'paid' WHEN (b).forgiven THEN 'uncollectible' WHEN (b).closed THEN 'void' ELSE 'open' END AS VARCHAR) AS status, -- draft, open, paid, uncollectible or void; worked out from paid, forgiven and closed in shapes older than the field
  CAST(make_timestamp(CAST(coalesce((b).created, (b).date) AS BIGINT) * 1000000) AS TIMESTAMP) AS invoice_created_at, -- when the invoice was made
  CAST(make_timestamp(CAST((b).status_transitions.paid_at AS BIGINT) * 1000000) AS TIMESTAMP) AS paid_at, -- when it was paid; NULL in old shapes
  CAST(make_timestamp(CAST((b).status_transitions.voided_at AS BIGINT) * 1000000) AS TIMESTAMP) AS voided_at, -- when it was voided
  CAST(make_timestamp(CAST((b).status_transitions.marked_uncollectible_at AS BIGINT) * 1000000) AS TIMESTAMP) AS uncollectible_at, -- when it was given up
  CAST((b).total AS BIGINT) AS total_minor, -- after discounts and tax, before the credit balance, in minor units
  CAST((b).amount_due AS BIGINT) AS amount_due_minor, -- what was left to collect after the credit balance
  CAST((b).amount_paid AS BIGINT) AS amount_paid_minor, -- what was collected
  CAST((b).paid_out_of_band AS BOOLEAN) AS paid_out_of_band, -- paid outside Stripe
  CAST(upper((b).currency) AS VARCHAR) AS currency, -- ISO 4217 code
  CAST((b).attempt_count AS BIGINT) AS attempt_count, -- collection attempts so far
  CAST((b).billing_reason AS VARCHAR) AS billing_reason, -- why it was made
  CAST(coalesce(json_extract_string((b).charge, '$.id'), json_extract_string((b).charge, '$'), json_extract_string((b).payments.data[1].payment.charge, '$.id'), json_extract_string((b).payments.data[1].payment.charge, '$')) AS VARCHAR) AS charge_id, -- charge that paid it, where told
  CAST(coalesce(json_extract_string((b).payment_intent, '$.id'), json_extract_string((b).payment_intent, '$'), json_extract_string((b).payments.data[1].payment.payment_intent, '$.id'), json_extract_string((b).payments.data[1].payment.payment_intent, '$')) AS VARCHAR) AS payment_intent_id, -- payment intent, where told
  CAST((b).payments.data[1].payment.type AS VARCHAR) AS payment_type -- how it was paid, where told; payment_record is a payment outside Stripe
FROM r
WHERE r.object_id IS NOT NULL
