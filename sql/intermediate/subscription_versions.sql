/*
description: Every state a Stripe subscription was in, in the order of its own facts; arrival order never matters. Events give full states. A snapshot gives the states its dated fields prove (trialing from trial_start, asked to cancel at canceled_at, canceled at ended_at) and its full state from the moment it was landed.
grain: one row per subscription and version
key: [subscription_id, version_no]
not_null: [subscription_id, version_no, at, known_at, history, is_trialing, is_trial_plan]
accepted: {history: [event, snapshot]}
incremental: [subscription_id]
decision: version-order
*/
WITH known AS (
  SELECT s.*
  FROM staging.stripe_subscriptions AS s
  CROSS JOIN config.clock AS c
  WHERE s.known_at < c.known_at
),
told AS (  -- trials that events show need no help from a snapshot's dates; an event of later on names the trial and shows it not
  SELECT DISTINCT k.subscription_id, k.trial_start_at
  FROM known AS k
  CROSS JOIN config.clock AS c
  WHERE k.kind = 'event' AND k.status = 'trialing' AND k.occurred_at < c.as_of AND k.trial_start_at IS NOT NULL
),
dated AS (  -- the oldest snapshot that names a trial knows its first end best
  SELECT k.*, row_number() OVER (PARTITION BY k.subscription_id, k.trial_start_at ORDER BY k.known_at, k.load_order, k.record_id) AS place
  FROM known AS k
  LEFT JOIN told AS t ON t.subscription_id = k.subscription_id AND t.trial_start_at = k.trial_start_at
  WHERE k.kind = 'object' AND k.trial_end_at > k.trial_start_at AND t.subscription_id IS NULL
),
ended AS (
  SELECT k.*, row_number() OVER (PARTITION BY k.subscription_id ORDER BY k.known_at, k.load_order, k.record_id) AS place
  FROM known AS k
  WHERE k.kind = 'object' AND k.ended_at IS NOT NULL
),
asked AS (
  SELECT k.*, row_number() OVER (PARTITION BY k.subscription_id, k.canceled_at ORDER BY k.known_at, k.load_order, k.record_id) AS place
  FROM known AS k
  LEFT JOIN told AS t ON t.subscription_id = k.subscription_id AND t.trial_start_at = k.trial_start_at
  WHERE k.kind = 'object' AND k.canceled_at > k.trial_start_at AND k.canceled_at < k.trial_end_at
    AND (k.ended_at IS NULL OR k.ended_at > k.canceled_at) AND t.subscription_id IS NULL
),
per_record AS (
  SELECT i.subscription_id, i.source_id, min(i.current_period_start_at) AS period_start_at, max(i.current_period_end_at) AS period_end_at,
    min(i.trial_start_at) AS trial_start_at, max(i.trial_end_at) AS trial_end_at,
    max(CASE WHEN i.item_no = 1 THEN i.price_id END) AS plan_id, max(CASE WHEN i.item_no = 1 THEN i.product_id END) AS product_id,
    max(CASE WHEN i.item_no = 1 THEN i.currency END) AS currency, CAST(sum(i.monthly_value_minor) AS BIGINT) AS monthly_value_minor,
    max(CASE WHEN p.plan_id IS NULL THEN 0 ELSE 1 END) AS on_trial_plan
  FROM intermediate.subscription_items AS i
  LEFT JOIN config.trial_plans AS p ON p.plan_id = i.price_id OR p.plan_id = i.product_id
  GROUP BY i.subscription_id, i.source_id
),
versions AS (
  SELECT k.subscription_id, k.customer_id, k.occurred_at AS at, k.known_at, CASE k.kind WHEN 'event' THEN 'event' ELSE 'snapshot' END AS history,
    CASE k.event_type WHEN 'customer.subscription.created' THEN 0 WHEN 'customer.subscription.deleted' THEN 2 ELSE 1 END AS type_rank,
    k.status, coalesce(k.trial_start_at, i.trial_start_at) AS trial_start_at, coalesce(k.trial_end_at, i.trial_end_at) AS trial_end_at,
    coalesce(k.cancel_at_period_end, false) AS cancel_at_period_end, k.cancel_at, k.canceled_at, k.ended_at,
    coalesce(k.current_period_start_at, i.period_start_at) AS current_period_start_at,
    coalesce(k.current_period_end_at, i.period_end_at) AS current_period_end_at, k.default_payment_method, k.collection_method,
    k.pause_behavior, i.plan_id, i.product_id, coalesce(k.currency, i.currency) AS currency, i.monthly_value_minor, k.cancel_reason,
    k.subscription_created_at, coalesce(i.on_trial_plan, 0) = 1 AS is_trial_plan, k.record_id, coalesce(k.event_id, k.record_id) AS tie, coalesce(g.place, 0) AS place
  FROM known AS k
  CROSS JOIN config.clock AS c
  LEFT JOIN per_record AS i ON i.subscription_id = k.subscription_id AND i.source_id = k.record_id
  LEFT JOIN intermediate.subscription_chains AS g ON g.subscription_id = k.subscription_id AND g.source_id = k.record_id
  WHERE k.occurred_at < c.as_of
  UNION ALL
  SELECT d.subscription_id, d.customer_id, d.trial_start_at, d.known_at, 'snapshot', 1, 'trialing', d.trial_start_at, d.trial_end_at, false,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, d.subscription_created_at, false, d.record_id, d.record_id, 0
  FROM dated AS d
  CROSS JOIN config.clock AS c
  WHERE d.place = 1 AND d.trial_start_at < c.as_of
  UNION ALL
  SELECT d.subscription_id, d.customer_id, d.canceled_at, d.known_at, 'snapshot', 1, 'trialing', d.trial_start_at, d.trial_end_at, true,
    NULL, d.canceled_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, d.subscription_created_at, false, d.record_id, d.record_id, 0
  FROM asked AS d
  CROSS JOIN config.clock AS c
  WHERE d.place = 1 AND d.canceled_at < c.as_of
  UNION ALL
  SELECT d.subscription_id, d.customer_id, d.ended_at, d.known_at, 'snapshot', 1, 'canceled', d.trial_start_at, d.trial_end_at, false,
    NULL, d.canceled_at, d.ended_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, d.subscription_created_at, false, d.record_id, d.record_id, 0
  FROM ended AS d
  CROSS JOIN config.clock AS c
  WHERE d.place = 1 AND d.ended_at < c.as_of
),
ordered AS (
  SELECT *, row_number() OVER (PARTITION BY subscription_id ORDER BY at, type_rank, place,
      CASE status WHEN 'incomplete' THEN 0 WHEN 'trialing' THEN 1 WHEN 'paused' THEN 2 WHEN 'active' THEN 3 WHEN 'past_due' THEN 4 WHEN 'unpaid' THEN 5 ELSE 6 END,
      coalesce(trial_end_at, TIMESTAMP '1970-01-01 00:00:00'), tie) AS version_no
  FROM versions
)
SELECT
  CAST(subscription_id AS VARCHAR) AS subscription_id, -- Stripe's id
  CAST(version_no AS INTEGER) AS version_no, -- place in the subscription's history, from 1
  CAST(customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(at AS TIMESTAMP) AS at, -- from when the state held
  CAST(known_at AS TIMESTAMP) AS known_at, -- when the state could first be known
  CAST(history AS VARCHAR) AS history, -- event, or snapshot whose undated fields count from its landing on
  CAST(status AS VARCHAR) AS status, -- Stripe's status
  CAST(coalesce(status = 'trialing' AND trial_end_at > trial_start_at, false) AS BOOLEAN) AS is_trialing, -- in a trial of some length
  CAST(trial_start_at AS TIMESTAMP) AS trial_start_at, -- start of the latest trial
  CAST(trial_end_at AS TIMESTAMP) AS trial_end_at, -- end of the latest trial
  CAST(cancel_at_period_end AS BOOLEAN) AS cancel_at_period_end, -- will be canceled when the period ends
  CAST(cancel_at AS TIMESTAMP) AS cancel_at, -- will be canceled then
  CAST(canceled_at AS TIMESTAMP) AS canceled_at, -- when cancelling was asked for
  CAST(ended_at AS TIMESTAMP) AS ended_at, -- when it ended
  CAST(current_period_start_at AS TIMESTAMP) AS current_period_start_at, -- start of the billing period
  CAST(current_period_end_at AS TIMESTAMP) AS current_period_end_at, -- end of the billing period
  CAST(default_payment_method AS VARCHAR) AS default_payment_method, -- payment method of the subscription
  CAST(collection_method AS VARCHAR) AS collection_method, -- charge_automatically or send_invoice
  CAST(pause_behavior AS VARCHAR) AS pause_behavior, -- of pause_collection; no pause of the trial
  CAST(plan_id AS VARCHAR) AS plan_id, -- price of the first item
  CAST(product_id AS VARCHAR) AS product_id, -- product of the first item
  CAST(currency AS VARCHAR) AS currency, -- ISO 4217 code
  CAST(monthly_value_minor AS BIGINT) AS monthly_value_minor, -- all items, minor units a month, before discounts
  CAST(cancel_reason AS VARCHAR) AS cancel_reason, -- cancellation_requested, payment_failed, ...
  CAST(subscription_created_at AS TIMESTAMP) AS subscription_created_at, -- when the subscription was made
  CAST(is_trial_plan AS BOOLEAN) AS is_trial_plan, -- an item is on a configured $0 trial plan
  CAST(record_id AS VARCHAR) AS source_id -- Stripe record that proves the state
FROM ordered
