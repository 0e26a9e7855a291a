/*
description: Items of every subscription record known by the cut, with their monthly value. One record is one version of its subscription.
grain: one row per Stripe record and item
key: [source_id, item_no]
not_null: [source_id, item_no, subscription_id]
incremental: [subscription_id]
*/
WITH items AS (
  SELECT i.*,
    CASE i.billing_interval WHEN 'year' THEN 1 WHEN 'month' THEN 12 WHEN 'week' THEN 52 WHEN 'day' THEN 365 END AS bills_per_year
  FROM staging.stripe_subscription_items AS i
  CROSS JOIN config.clock AS c
  WHERE i.occurred_at < c.as_of AND i.known_at < c.known_at
)
SELECT
  CAST(record_id AS VARCHAR) AS source_id, -- Stripe record the item stands in
  CAST(item_no AS INTEGER) AS item_no, -- place in the subscription's list, from 1
  CAST(subscription_id AS VARCHAR) AS subscription_id, -- subscription of the item
  CAST(item_id AS VARCHAR) AS item_id, -- Stripe's id
  CAST(price_id AS VARCHAR) AS price_id, -- price or plan
  CAST(product_id AS VARCHAR) AS product_id, -- product
  CAST(currency AS VARCHAR) AS currency, -- ISO 4217 code
  CAST(unit_amount AS DOUBLE) AS unit_amount, -- minor units, may be fractional; NULL for tiers
  CAST(quantity AS BIGINT) AS quantity, -- how many
  CAST(billing_interval AS VARCHAR) AS billing_interval, -- day, week, month or year
  CAST(interval_count AS BIGINT) AS interval_count, -- intervals between two bills
  CAST(usage_type AS VARCHAR) AS usage_type, -- licensed or metered
  CAST(CASE WHEN usage_type = 'metered' THEN 0
    ELSE floor(unit_amount * quantity * bills_per_year / nullif(12 * interval_count, 0) + 0.5) END AS BIGINT) AS monthly_value_minor, -- minor units a month, before discounts; year / 12, week x 52 / 12, day x 365 / 12; metered 0
  CAST(current_period_start_at AS TIMESTAMP) AS current_period_start_at, -- start of the item's period
  CAST(current_period_end_at AS TIMESTAMP) AS current_period_end_at, -- end of the item's period
  CAST(trial_start_at AS TIMESTAMP) AS trial_start_at, -- start of the item's trial, since API 2026-10-28
  CAST(trial_end_at AS TIMESTAMP) AS trial_end_at -- end of the item's trial
FROM items
