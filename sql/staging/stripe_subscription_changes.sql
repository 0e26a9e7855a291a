/*
description: Every event but the last of a subscription that ever had two changes within one second, with its state before and after. Of other subscriptions the second tells the order.
grain: one row per event
key: [record_id]
not_null: [record_id, event_id, subscription_id, occurred_at, known_at, is_change, state_before, state_after, is_new_before]
*/
WITH events AS (
  SELECT record_id, event_id, object_id, created_at, known_at, object, coalesce(previous, '{}') AS previous,
    event_type <> 'customer.subscription.created' AS is_change
  FROM raw.stripe
  WHERE kind = 'event' AND object_type = 'subscription' AND object_id IS NOT NULL AND event_type <> 'customer.subscription.deleted'
),
counted AS (
  SELECT *, count(*) OVER (PARTITION BY object_id, created_at, is_change) AS at_once
  FROM events
),
busy AS (
  SELECT *, max(CASE WHEN is_change THEN at_once ELSE 0 END) OVER (PARTITION BY object_id) AS most_at_once
  FROM counted
),
sides AS (  -- merging into nothing leaves out what is null, so that null and absent are the same
  SELECT record_id, event_id, object_id, created_at, known_at, is_change, 'after' AS side, json_merge_patch('{}', object) AS state
  FROM busy
  WHERE most_at_once > 1
  UNION ALL
  SELECT record_id, event_id, object_id, created_at, known_at, is_change, 'before', json_merge_patch(json_merge_patch('{}', object), previous)
  FROM busy
  WHERE most_at_once > 1
),
told AS (
  SELECT *, TRY_CAST(json_extract_string(state, '$.canceled_at') AS BIGINT) AS canceled_at, concat(
    CAST(json_extract_string(state, ['$.status', '$.trial_start', '$.trial_end', '$.cancel_at_period_end', '$.cancel_at', '$.canceled_at', '$.ended_at', '$.current_period_start',
      '$.current_period_end', '$.default_payment_method', '$.default_source', '$.pause_collection.behavior', '$.quantity', '$.plan.id']) AS VARCHAR),
    CAST(json_extract_string(state, '$.items.data[*].price.id') AS VARCHAR), CAST(json_extract_string(state, '$.items.data[*].quantity') AS VARCHAR)) AS text
  FROM sides
)
SELECT
  CAST(record_id AS VARCHAR) AS record_id, -- record the row comes from
  CAST(min(event_id) AS VARCHAR) AS event_id, -- Stripe's event id
  CAST(min(object_id) AS VARCHAR) AS subscription_id, -- Stripe's id
  CAST(min(created_at) AS TIMESTAMP) AS occurred_at, -- when the event was created
  CAST(min(known_at) AS TIMESTAMP) AS known_at, -- when this could first be known
  CAST(bool_or(is_change) AS BOOLEAN) AS is_change, -- false for the event that creates the subscription
  CAST(max(CASE side WHEN 'before' THEN text END) AS VARCHAR) AS state_before, -- status, trial, cancelling, period, payment and items before it, by previous_attributes
  CAST(max(CASE side WHEN 'after' THEN text END) AS VARCHAR) AS state_after, -- the same as the event shows them
  CAST(coalesce(bool_or(side = 'before' AND canceled_at = CAST(epoch(created_at) AS BIGINT)), false) AS BOOLEAN) AS is_new_before -- the state before was reached in this very second, as its canceled_at says
FROM told
GROUP BY record_id
