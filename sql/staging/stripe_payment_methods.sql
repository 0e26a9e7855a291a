/*
description: Every Stripe record of a payment method, or of the cards and sources of old API versions.
grain: one row per record
key: [record_id]
not_null: [record_id, payment_method_id, occurred_at, known_at]
*/
WITH r AS (  -- from_json reads a body once; a key that is absent or of another type is NULL
  SELECT record_id, kind, event_id, event_type, object_id, coalesce(CASE WHEN kind = 'event' THEN created_at ELSE landed_at END, known_at) AS occurred_at,
    known_at, load_order, livemode, previous,
    from_json(object, '{"id": "VARCHAR", "customer": "JSON", "type": "VARCHAR", "created": "UINTEGER"}') AS b
  FROM raw.stripe
  WHERE object_type IN ('payment_method', 'card', 'source', 'bank_account')
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
  CAST(r.object_id AS VARCHAR) AS payment_method_id, -- Stripe's id
  CAST(coalesce(json_extract_string((b).customer, '$.id'), json_extract_string((b).customer, '$'), json_extract_string(r.previous, '$.customer')) AS VARCHAR) AS customer_id, -- customer it is attached to, of an event that detaches it the one it was; NULL of a snapshot once detached
  CAST((b).type AS VARCHAR) AS method_type, -- card, us_bank_account, ...
  CAST(make_timestamp(CAST((b).created AS BIGINT) * 1000000) AS TIMESTAMP) AS method_created_at -- when it was made
FROM r
WHERE r.object_id IS NOT NULL
