/*
description: Discounts of every Stripe subscription record; a discount that is a bare id tells nothing but itself.
grain: one row per record and discount
key: [record_id, discount_no]
not_null: [record_id, subscription_id, discount_no, occurred_at, known_at]
materialized: table  # a body is costly to read
*/
WITH r AS (  -- from_json reads a body once; a key that is absent or of another type is NULL
  SELECT record_id, coalesce(CASE WHEN kind = 'event' THEN created_at ELSE landed_at END, known_at) AS occurred_at, known_at,
    from_json(object, '{"id": "VARCHAR", "discount": "JSON", "discounts": ["JSON"]}') AS b
  FROM raw.stripe
  WHERE object_type = 'subscription' AND object_id IS NOT NULL
),
listed AS (  -- both fields can be present: the list wins
  SELECT record_id, occurred_at, known_at, (b).id AS subscription_id, unnest((b).discounts) AS discount,
    unnest(range(1, len((b).discounts) + 1)) AS discount_no
  FROM r
  UNION ALL
  SELECT record_id, occurred_at, known_at, (b).id, (b).discount, 1
  FROM r
  WHERE (b).discount IS NOT NULL AND coalesce(len((b).discounts), 0) = 0
),
read AS (
  SELECT record_id, occurred_at, known_at, subscription_id, discount_no, json_extract_string(discount, '$') AS discount_text,
    from_json(discount, '{"id": "VARCHAR", "start": "UINTEGER", "end": "UINTEGER", "coupon": "JSON", "source": {"coupon": "JSON"}}') AS d
  FROM listed
),
coupons AS (
  SELECT record_id, occurred_at, known_at, subscription_id, discount_no, d, discount_text,
    json_extract_string(coalesce((d).source.coupon, (d).coupon), '$') AS coupon_text,
    from_json(coalesce((d).source.coupon, (d).coupon), '{"id": "VARCHAR", "percent_off": "DOUBLE", "amount_off": "BIGINT",
      "currency": "VARCHAR", "duration": "VARCHAR"}') AS c
  FROM read
)
SELECT
  CAST(record_id AS VARCHAR) AS record_id, -- record the discount stands in
  CAST(occurred_at AS TIMESTAMP) AS occurred_at, -- when the record was created; for a snapshot when it was landed
  CAST(known_at AS TIMESTAMP) AS known_at, -- when this could first be known
  CAST(subscription_id AS VARCHAR) AS subscription_id, -- subscription of the discount
  CAST(discount_no AS INTEGER) AS discount_no, -- place in the list, from 1
  CAST(coalesce((d).id, CASE WHEN discount_text NOT LIKE '{%' THEN discount_text END) AS VARCHAR) AS discount_id, -- Stripe's id
  CAST(coalesce((c).id, CASE WHEN coupon_text NOT LIKE '{%' THEN coupon_text END) AS VARCHAR) AS coupon_id, -- coupon behind it
  CAST((c).percent_off AS DOUBLE) AS percent_off, -- share taken off, 0 to 100
  CAST((c).amount_off AS BIGINT) AS amount_off_minor, -- amount taken off, minor units
  CAST(upper((c).currency) AS VARCHAR) AS currency, -- currency of amount_off_minor
  CAST((c).duration AS VARCHAR) AS duration, -- once, repeating or forever
  CAST(make_timestamp(CAST((d).start AS BIGINT) * 1000000) AS TIMESTAMP) AS starts_at, -- first instant it applies
  CAST(make_timestamp(CAST((d)."end" AS BIGINT) * 1000000) AS TIMESTAMP) AS ends_at -- last instant; NULL for ever
FROM coupons
WHERE subscription_id IS NOT NULL
