-- Ids of customers, and of what is a customer's alone, in Stripe's records of who is forgotten that are not known yet.
WITH objects AS (
  SELECT CASE WHEN raw ->> '$.object' = 'event' THEN raw -> '$.data.object' WHEN json_type(raw, '$.object') = 'OBJECT' THEN raw -> '$.object' ELSE CAST(raw AS JSON) END AS o
  FROM matched
  WHERE is_theirs AND segment IN (SELECT unnest(getvariable('segments'))) AND json_valid(raw)
),
named AS (
  SELECT o ->> '$.id' AS id FROM objects WHERE o ->> '$.object' NOT IN ('product', 'price', 'plan', 'coupon')
  UNION SELECT CASE WHEN json_type(o, '$.customer') = 'OBJECT' THEN o ->> '$.customer.id' ELSE o ->> '$.customer' END FROM objects
)
SELECT id FROM named WHERE id IS NOT NULL AND id NOT IN (SELECT name FROM meant WHERE kind = 'stripe')
