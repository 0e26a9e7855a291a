/*
description: Items of every Stripe subscription record; records older than items give one made from the subscription's plan.
grain: one row per record and item
key: [record_id, item_no]
not_null: [record_id, subscription_id, item_no, occurred_at, known_at]
materialized: table  # a body is costly to read
*/
WITH r AS (  -- from_json reads a body once; a key that is absent or of another type is NULL
  SELECT record_id, kind, coalesce(CASE WHEN kind = 'event' THEN created_at ELSE landed_at END, known_at) AS occurred_at, known_at,
    from_json(object, '{"id": "VARCHAR", "quantity": "BIGINT", "plan": "JSON", "items": {"data": [{"id": "VARCHAR", "quantity": "BIGINT",
      "price": "JSON", "plan": "JSON", "current_period_start": "UINTEGER", "current_period_end": "UINTEGER",
      "current_trial": {"start_date": "UINTEGER", "end_date": "UINTEGER"}}]}}') AS b
  FROM raw.stripe
  WHERE object_type = 'subscription' AND object_id IS NOT NULL
),
listed AS (
  SELECT record_id, kind, occurred_at, known_at, (b).id AS subscription_id, unnest((b).items.data) AS i,
    unnest(range(1, len((b).items.data) + 1)) AS item_no
  FROM r
),
items AS (
  SELECT record_id, kind, occurred_at, known_at, subscription_id, item_no, (i).id AS item_id, (i).quantity AS quantity,
    coalesce((i).price, (i).plan) AS price, (i).current_period_start AS period_start, (i).current_period_end AS period_end,
    (i).current_trial.start_date AS trial_start, (i).current_trial.end_date AS trial_end
  FROM listed
  UNION ALL
  SELECT record_id, kind, occurred_at, known_at, (b).id, 1, NULL, coalesce((b).quantity, 1), (b).plan, NULL, NULL, NULL, NULL
  FROM r
  WHERE (b).plan IS NOT NULL AND coalesce(len((b).items.data), 0) = 0
),
priced AS (
  SELECT record_id, kind, occurred_at, known_at, subscription_id, item_no, item_id, quantity, period_start, period_end, trial_start, trial_end,
    from_json(price, '{"id": "VARCHAR", "product": "JSON", "currency": "VARCHAR", "unit_amount": "BIGINT", "amount": "BIGINT",
      "unit_amount_decimal": "DOUBLE", "amount_decimal": "DOUBLE", "recurring": {"interval": "VARCHAR", "interval_count": "BIGINT",
      "usage_type": "VARCHAR"}, "interval": "VARCHAR", "interval_count": "BIGINT", "usage_type": "VARCHAR"}') AS p,
    json_extract_string(price, '$') AS price_text
  FROM items
)
SELECT
  CAST(record_id AS VARCHAR) AS record_id, -- record the item stands in
  CAST(kind AS VARCHAR) AS kind, -- event or object
  CAST(occurred_at AS TIMESTAMP) AS occurred_at, -- when the record was created; for a snapshot when it was landed
  CAST(known_at AS TIMESTAMP) AS known_at, -- when this could first be known
  CAST(subscription_id AS VARCHAR) AS subscription_id, -- subscription of the item
  CAST(item_no AS INTEGER) AS item_no, -- place in the list, from 1
  CAST(item_id AS VARCHAR) AS item_id, -- Stripe's id; NULL where the subscription's plan stands in
  CAST(coalesce((p).id, CASE WHEN price_text NOT LIKE '{%' THEN price_text END) AS VARCHAR) AS price_id, -- price or plan
  CAST(coalesce(json_extract_string((p).product, '$.id'), json_extract_string((p).product, '$')) AS VARCHAR) AS product_id, -- product
  CAST(upper((p).currency) AS VARCHAR) AS currency, -- ISO 4217 code
  CAST(coalesce((p).unit_amount, (p).amount, (p).unit_amount_decimal, (p).amount_decimal) AS DOUBLE) AS unit_amount, -- minor units, may be fractional; NULL for tiers
  CAST(quantity AS BIGINT) AS quantity, -- how many; NULL for metered prices
  CAST(coalesce((p).recurring.interval, (p).interval) AS VARCHAR) AS billing_interval, -- day, week, month or year
  CAST(coalesce((p).recurring.interval_count, (p).interval_count, 1) AS BIGINT) AS interval_count, -- intervals between two bills
  CAST(coalesce((p).recurring.usage_type, (p).usage_type, 'licensed') AS VARCHAR) AS usage_type, -- licensed or metered
  CAST(make_timestamp(CAST(period_start AS BIGINT) * 1000000) AS TIMESTAMP) AS current_period_start_at, -- start of the period, since API 2025-03-31
  CAST(make_timestamp(CAST(period_end AS BIGINT) * 1000000) AS TIMESTAMP) AS current_period_end_at, -- end of the period, since API 2025-03-31
  CAST(make_timestamp(CAST(trial_start AS BIGINT) * 1000000) AS TIMESTAMP) AS trial_start_at, -- start of the item's trial, since API 2026-10-28
  CAST(make_timestamp(CAST(trial_end AS BIGINT) * 1000000) AS TIMESTAMP) AS trial_end_at -- end of the item's trial
FROM priced
WHERE subscription_id IS NOT NULL
