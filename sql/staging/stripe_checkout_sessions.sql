/*
description: Every Stripe record of a checkout session; client_reference_id ties a customer to an account.
grain: one row per record
key: [record_id]
not_null: [record_id, checkout_session_id, occurred_at, known_at]
*/
WITH r AS (  -- from_json reads a body once; a key that is absent or of another type is NULL
  SELECT record_id, kind, event_id, event_type, object_id, coalesce(CASE WHEN kind = 'event' THEN created_at ELSE landed_at END, known_at) AS occurred_at,
    known_at, load_order, livemode,
    from_json(object, '{"id": "VARCHAR", "customer": "JSON", "client_reference_id": "VARCHAR",
      "subscription": "JSON", "setup_intent": "JSON", "mode": "VARCHAR", "status": "VARCHAR",
      "payment_status": "VARCHAR", "customer_email": "VARCHAR", "customer_details": {"email": "VARCHAR"},
      "created": "UINTEGER", "metadata": "JSON"}') AS b
  FROM raw.stripe
  WHERE object_type = 'checkout.session'
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
  CAST(r.object_id AS VARCHAR) AS checkout_session_id, -- Stripe's id
  CAST(coalesce(json_extract_string((b).customer, '$.id'), json_extract_string((b).customer, '$')) AS VARCHAR) AS customer_id, -- Stripe customer
  CAST((b).client_reference_id AS VARCHAR) AS client_reference_id, -- the user's own reference
  CAST(coalesce(json_extract_string((b).subscription, '$.id'), json_extract_string((b).subscription, '$')) AS VARCHAR) AS subscription_id, -- subscription it made
  CAST(coalesce(json_extract_string((b).setup_intent, '$.id'), json_extract_string((b).setup_intent, '$')) AS VARCHAR) AS setup_intent_id, -- setup intent it made
  CAST((b).mode AS VARCHAR) AS mode, -- payment, setup or subscription
  CAST((b).status AS VARCHAR) AS status, -- open, complete or expired; NULL in old shapes
  CAST((b).payment_status AS VARCHAR) AS payment_status, -- paid, unpaid or no_payment_required
  CAST(coalesce((b).customer_details.email, (b).customer_email) AS VARCHAR) AS email, -- e-mail address typed in
  CAST(make_timestamp(CAST((b).created AS BIGINT) * 1000000) AS TIMESTAMP) AS session_created_at, -- when it was opened
  CAST((b).metadata AS VARCHAR) AS metadata -- JSON text of the user's own keys
FROM r
WHERE r.object_id IS NOT NULL
