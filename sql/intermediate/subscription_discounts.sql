/*
description: Discounts of every subscription record known by the cut. One record is one version of its subscription.
grain: one row per Stripe record and discount
key: [source_id, discount_no]
not_null: [source_id, discount_no, subscription_id]
*/
SELECT
  CAST(d.record_id AS VARCHAR) AS source_id, -- Stripe record the discount stands in
  CAST(d.discount_no AS INTEGER) AS discount_no, -- place in the subscription's list, from 1
  CAST(d.subscription_id AS VARCHAR) AS subscription_id, -- subscription of the discount
  CAST(d.discount_id AS VARCHAR) AS discount_id, -- Stripe's id
  CAST(d.coupon_id AS VARCHAR) AS coupon_id, -- coupon behind it
  CAST(d.percent_off AS DOUBLE) AS percent_off, -- share taken off, 0 to 100
  CAST(d.amount_off_minor AS BIGINT) AS amount_off_minor, -- amount taken off, minor units
  CAST(d.currency AS VARCHAR) AS currency, -- currency of amount_off_minor
  CAST(d.duration AS VARCHAR) AS duration, -- once, repeating or forever
  CAST(d.starts_at AS TIMESTAMP) AS starts_at, -- first instant it applies
  CAST(d.ends_at AS TIMESTAMP) AS ends_at -- last instant; NULL for ever
FROM staging.stripe_subscription_discounts AS d
CROSS JOIN config.clock AS c
WHERE d.occurred_at < c.as_of AND d.known_at < c.known_at
