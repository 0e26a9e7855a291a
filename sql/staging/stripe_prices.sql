/*
description: Every Stripe record of a price, or of the plan that came before prices.
grain: one row per record
key: [record_id]
not_null: [record_id, price_id, occurred_at, known_at]
*/
WITH r AS (  -- from_json reads a body once; a key that is absent or of another type is NULL
  SELECT record_id, kind, event_id, event_type, object_id, coalesce(CASE WHEN kind = 'event' THEN created_at ELSE landed_at END, known_at) AS occurred_at,
    known_at, load_order, livemode,
    from_json(object, '{"id": "VARCHAR", "product": "JSON", "nickname": "VARCHAR", "currency": "VARCHAR",
      "unit_amount": "BIGINT", "amount": "BIGINT", "recurring": {"interval": "VARCHAR",
      "interval_count": "BIGINT"}, "interval": "VARCHAR", "interval_count": "BIGINT"}') AS b
  FROM raw.stripe
  WHERE object_type IN ('price', 'plan')
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
  CAST(r.object_id AS VARCHAR) AS price_id, -- Stripe's id
  CAST(coalesce(json_extract_string((b).product, '$.id'), json_extract_string((b).product, '$')) AS VARCHAR) AS product_id, -- product it sells
  CAST((b).nickname AS VARCHAR) AS nickname, -- internal name
  CAST(upper((b).currency) AS VARCHAR) AS currency, -- ISO 4217 code
  CAST(coalesce((b).unit_amount, (b).amount) AS BIGINT) AS unit_amount_minor, -- price of one unit; NULL for tiered and fractional prices
  CAST(coalesce((b).recurring.interval, (b).interval) AS VARCHAR) AS billing_interval, -- day, week, month or year; NULL for one-off prices
  CAST(coalesce((b).recurring.interval_count, (b).interval_count) AS BIGINT) AS interval_count -- intervals between two bills
FROM r
WHERE r.object_id IS NOT NULL
