/*
description: Every Stripe record of a subscription, event or snapshot, of any API version.
grain: one row per record
key: [record_id]
not_null: [record_id, subscription_id, occurred_at, known_at]
materialized: table  # several models read it, and a body is costly to read
*/
WITH r AS (  -- from_json reads a body once; a key that is absent or of another type is NULL
  SELECT record_id, kind, event_id, event_type, object_id, coalesce(CASE WHEN kind = 'event' THEN created_at ELSE landed_at END, known_at) AS occurred_at,
    known_at, load_order, livemode,
    from_json(object, '{"id": "VARCHAR", "customer": "JSON", "status": "VARCHAR", "created": "UINTEGER",
      "start": "UINTEGER", "start_date": "UINTEGER", "trial_start": "UINTEGER", "trial_end": "UINTEGER",
      "cancel_at_period_end": "BOOLEAN", "cancel_at": "UINTEGER", "canceled_at": "UINTEGER",
      "ended_at": "UINTEGER", "current_period_start": "UINTEGER", "current_period_end": "UINTEGER",
      "default_payment_method": "JSON", "default_source": "JSON", "collection_method": "VARCHAR",
      "billing": "VARCHAR", "pause_collection": {"behavior": "VARCHAR"}, "currency": "VARCHAR",
      "cancellation_details": {"reason": "VARCHAR"}, "metadata": "JSON"}') AS b
  FROM raw.stripe
  WHERE object_type = 'subscription'
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
  CAST(r.object_id AS VARCHAR) AS subscription_id, -- Stripe's id
  CAST(coalesce(json_extract_string((b).customer, '$.id'), json_extract_string((b).customer, '$')) AS VARCHAR) AS customer_id, -- Stripe customer
  CAST((b).status AS VARCHAR) AS status, -- status as told; the list is open
  CAST(make_timestamp(CAST(coalesce((b).created, (b).start_date, (b).start) AS BIGINT) * 1000000) AS TIMESTAMP) AS subscription_created_at, -- when the subscription was made
  CAST(make_timestamp(CAST((b).trial_start AS BIGINT) * 1000000) AS TIMESTAMP) AS trial_start_at, -- start of the latest trial
  CAST(make_timestamp(CAST((b).trial_end AS BIGINT) * 1000000) AS TIMESTAMP) AS trial_end_at, -- end of the latest trial, planned or past
  CAST((b).cancel_at_period_end AS BOOLEAN) AS cancel_at_period_end, -- whether it will be canceled when the period ends
  CAST(make_timestamp(CAST((b).cancel_at AS BIGINT) * 1000000) AS TIMESTAMP) AS cancel_at, -- when it will be canceled
  CAST(make_timestamp(CAST((b).canceled_at AS BIGINT) * 1000000) AS TIMESTAMP) AS canceled_at, -- when cancelling was asked for
  CAST(make_timestamp(CAST((b).ended_at AS BIGINT) * 1000000) AS TIMESTAMP) AS ended_at, -- when it ended
  CAST(make_timestamp(CAST((b).current_period_start AS BIGINT) * 1000000) AS TIMESTAMP) AS current_period_start_at, -- start of the period; NULL from API 2025-03-31, where it stands on the items
  CAST(make_timestamp(CAST((b).current_period_end AS BIGINT) * 1000000) AS TIMESTAMP) AS current_period_end_at, -- end of the period, as above
  CAST(coalesce(json_extract_string((b).default_payment_method, '$.id'), json_extract_string((b).default_payment_method, '$'), json_extract_string((b).default_source, '$.id'), json_extract_string((b).default_source, '$')) AS VARCHAR) AS default_payment_method, -- payment method or source charged first; NULL falls back to the customer's
  CAST(coalesce((b).collection_method, (b).billing) AS VARCHAR) AS collection_method, -- charge_automatically or send_invoice
  CAST((b).pause_collection.behavior AS VARCHAR) AS pause_behavior, -- pause_collection: leaves the status alone and is no pause
  CAST(upper((b).currency) AS VARCHAR) AS currency, -- ISO 4217 code; NULL in old shapes, where only the items tell
  CAST((b).cancellation_details.reason AS VARCHAR) AS cancel_reason, -- cancellation_requested, payment_failed, payment_disputed
  CAST((b).metadata AS VARCHAR) AS metadata -- JSON text of the user's own keys
FROM r
WHERE r.object_id IS NOT NULL
