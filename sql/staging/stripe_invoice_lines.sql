/*
description: Lines of every Stripe invoice record, of any API version.
grain: one row per record and line
key: [record_id, line_no]
not_null: [record_id, invoice_id, line_no, occurred_at, known_at]
materialized: table  # a body is costly to read
*/
WITH r AS (  -- from_json reads a body once; a key that is absent or of another type is NULL
  SELECT record_id, coalesce(CASE WHEN kind = 'event' THEN created_at ELSE landed_at END, known_at) AS occurred_at, known_at,
    from_json(object, '{"id": "VARCHAR", "subscription": "JSON", "parent": {"subscription_details": {"subscription": "JSON"}},
      "lines": {"data": [{"id": "VARCHAR", "amount": "BIGINT", "type": "VARCHAR", "subscription": "JSON",
      "proration": "BOOLEAN", "period": {"start": "UINTEGER", "end": "UINTEGER"}, "price": {"id": "VARCHAR"}, "plan": {"id": "VARCHAR"},
      "pricing": {"price_details": {"price": "JSON"}}, "parent": {"type": "VARCHAR",
      "subscription_item_details": {"subscription": "JSON", "proration": "BOOLEAN"},
      "invoice_item_details": {"subscription": "JSON", "proration": "BOOLEAN"}}}]}}') AS b
  FROM raw.stripe
  WHERE object_type = 'invoice' AND object_id IS NOT NULL
),
listed AS (
  SELECT record_id, occurred_at, known_at, (b).id AS invoice_id,
    coalesce((b).parent.subscription_details.subscription, (b).subscription) AS invoice_subscription,
    unnest((b).lines.data) AS l, unnest(range(1, len((b).lines.data) + 1)) AS line_no
  FROM r
),
read AS (
  SELECT record_id, occurred_at, known_at, invoice_id, line_no, l,
    coalesce((l).parent.subscription_item_details.subscription, (l).parent.invoice_item_details.subscription, (l).subscription,
      invoice_subscription) AS subscription
  FROM listed
)
SELECT
  CAST(record_id AS VARCHAR) AS record_id, -- record the line stands in
  CAST(occurred_at AS TIMESTAMP) AS occurred_at, -- when the record was created; for a snapshot when it was landed
  CAST(known_at AS TIMESTAMP) AS known_at, -- when this could first be known
  CAST(invoice_id AS VARCHAR) AS invoice_id, -- invoice of the line
  CAST(line_no AS INTEGER) AS line_no, -- place in the list, from 1
  CAST((l).id AS VARCHAR) AS line_id, -- Stripe's id
  CAST(coalesce(json_extract_string(subscription, '$.id'), json_extract_string(subscription, '$')) AS VARCHAR) AS subscription_id, -- subscription billed
  CAST(coalesce((l).parent.type = 'subscription_item_details', (l).type = 'subscription', false) AS BOOLEAN) AS is_subscription, -- false for set-up fees and other one-off items
  CAST((l).amount AS BIGINT) AS amount_minor, -- before discounts and tax, minor units
  CAST(coalesce((l).parent.subscription_item_details.proration, (l).parent.invoice_item_details.proration, (l).proration, false) AS BOOLEAN) AS is_proration, -- part of a period
  CAST(coalesce((l).price.id, (l).plan.id, json_extract_string((l).pricing.price_details.price, '$.id'), json_extract_string((l).pricing.price_details.price, '$')) AS VARCHAR) AS price_id, -- price or plan billed
  CAST(make_timestamp(CAST((l).period.start AS BIGINT) * 1000000) AS TIMESTAMP) AS period_start_at, -- start of the service period
  CAST(make_timestamp(CAST((l).period."end" AS BIGINT) * 1000000) AS TIMESTAMP) AS period_end_at -- end of the service period
FROM read
WHERE invoice_id IS NOT NULL
