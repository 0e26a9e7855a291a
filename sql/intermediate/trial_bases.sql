/*
description: Every trial of every account with its times, one trial where billing and product tell of the same one. Conversion and outcome come later.
grain: one row per trial
key: [trial_id]
not_null: [trial_id, account_key, announced_key, kind, source, started_at, end_basis_at, is_merged, known_at, account_known_at, history]
accepted: {kind: [trial, freemium], source: [stripe, event], history: [event, snapshot, event_product]}
decision: one-trial-not-two
checks:
  - name: every_billing_trial_has_an_account
    level: fail
    sql: >
      SELECT t.trial_id FROM intermediate.billing_trials AS t LEFT JOIN intermediate.customer_accounts AS c ON c.customer_id = t.customer_id
      WHERE c.customer_id IS NULL
*/
WITH billed AS (
  SELECT t.trial_id, c.announced_key, c.account_key, t.kind, 'stripe' AS source, t.subscription_id, t.customer_id,
    t.started_at, t.original_ends_at, t.ends_at, s.ended_at, s.cancel_requested_at, t.next_started_at, t.is_ended_early, t.extension_count, t.shortened_count,
    s.plan, s.monthly_value_minor, s.currency, t.history, t.known_at,
    c.known_at AS account_known_at
  FROM intermediate.billing_trials AS t
  INNER JOIN intermediate.billing_trial_states AS s ON s.trial_id = t.trial_id
  INNER JOIN intermediate.account_customers AS c ON c.customer_id = t.customer_id
  CROSS JOIN config.clock AS k
  WHERE t.started_at < k.as_of
),
everything AS (
  SELECT * FROM billed
  UNION ALL
  SELECT e.trial_id, e.announced_key, e.account_key, e.kind, 'event', NULL, NULL, e.started_at, e.original_ends_at, e.ends_at, CASE WHEN e.kind = 'freemium' THEN e.told_ended_at END, NULL, NULL,
    false, 0, 0, e.plan, NULL, NULL, 'event_product', e.known_at,
    CASE WHEN l.known_at > e.known_at THEN l.known_at ELSE e.known_at END
  FROM intermediate.event_trials AS e
  CROSS JOIN config.clock AS k
  LEFT JOIN intermediate.account_links AS l ON l.announced_key = e.announced_key
  WHERE e.started_at < k.as_of
),
based AS (
  SELECT e.*, CASE WHEN e.kind = 'freemium' THEN e.started_at + p.freemium_days * INTERVAL 1 DAY ELSE e.ends_at END AS horizon_at,
    CASE WHEN e.announced_key = e.account_key THEN 0 ELSE 1 END AS is_foreign, p.one_trial_hours, p.grace_days, p.collection_lag_hours
  FROM everything AS e
  CROSS JOIN config.parameters AS p
),
merged AS (  -- of trials that an account merge brings together the survivor's stays, else the earliest
  SELECT DISTINCT x.trial_id
  FROM based AS x
  INNER JOIN based AS y ON y.account_key = x.account_key AND y.announced_key <> x.announced_key
  WHERE x.kind = 'trial' AND y.kind = 'trial' AND x.is_foreign = 1
    AND (y.is_foreign < x.is_foreign OR (y.is_foreign = x.is_foreign AND (y.started_at < x.started_at OR (y.started_at = x.started_at AND y.trial_id < x.trial_id))))
    AND ((x.started_at < least(y.ends_at, coalesce(y.ended_at, y.ends_at)) AND y.started_at < least(x.ends_at, coalesce(x.ended_at, x.ends_at)))
      OR (x.started_at <= y.started_at + x.one_trial_hours * INTERVAL 1 HOUR AND y.started_at <= x.started_at + x.one_trial_hours * INTERVAL 1 HOUR))
)
SELECT
  CAST(b.trial_id AS VARCHAR) AS trial_id, -- stripe:<subscription>:<ordinal> or event:<account>:<start event>
  CAST(b.account_key AS INTEGER) AS account_key, -- account, merges followed
  CAST(b.announced_key AS INTEGER) AS announced_key, -- account as announced
  CAST(b.kind AS VARCHAR) AS kind, -- trial or freemium
  CAST(b.source AS VARCHAR) AS source, -- stripe, or event when product events alone tell of it
  CAST(b.subscription_id AS VARCHAR) AS subscription_id, -- Stripe subscription
  CAST(b.customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(b.started_at AS TIMESTAMP) AS started_at, -- first instant
  CAST(b.original_ends_at AS TIMESTAMP) AS original_ends_at, -- end as first planned
  CAST(b.ends_at AS TIMESTAMP) AS ends_at, -- end as planned last; NULL for freemium
  CAST(b.ended_at AS TIMESTAMP) AS ended_at, -- when the subscription, or an announced freemium, ended
  CAST(least(b.horizon_at, coalesce(b.ended_at, b.horizon_at)) AS TIMESTAMP) AS end_basis_at, -- the earlier of the two, for freemium of its horizon; grace and lag count from here
  CAST(least(b.horizon_at, coalesce(b.ended_at, b.horizon_at)) + b.collection_lag_hours * INTERVAL 1 HOUR AS TIMESTAMP) AS collected_by_at, -- last instant at which an open invoice may still be collected
  CAST(least(b.horizon_at, coalesce(b.ended_at, b.horizon_at)) + b.grace_days * INTERVAL 1 DAY + b.collection_lag_hours * INTERVAL 1 HOUR AS TIMESTAMP) AS deadline_at, -- last instant at which a payment still counts, inclusive
  CAST(b.cancel_requested_at AS TIMESTAMP) AS cancel_requested_at, -- when the cancel request in force was made
  CAST(b.next_started_at AS TIMESTAMP) AS next_started_at, -- when the subscription's next trial starts
  CAST(CASE WHEN m.trial_id IS NULL THEN lead(b.started_at) OVER (PARTITION BY b.account_key, CASE WHEN m.trial_id IS NULL THEN 0 ELSE 1 END ORDER BY b.started_at, b.trial_id) END AS TIMESTAMP) AS account_next_started_at, -- when the account's next trial starts
  CAST(b.is_ended_early AS BOOLEAN) AS is_ended_early, -- ended before its plan by trial_end=now
  CAST(b.extension_count AS INTEGER) AS extension_count, -- times the end moved later
  CAST(b.shortened_count AS INTEGER) AS shortened_count, -- times it moved earlier while in trial
  CAST(b.plan AS VARCHAR) AS plan, -- plan on the start day
  CAST(b.monthly_value_minor AS BIGINT) AS monthly_value_minor, -- its monthly value, minor units
  CAST(b.currency AS VARCHAR) AS currency, -- currency of the plan
  CAST(m.trial_id IS NOT NULL AS BOOLEAN) AS is_merged, -- joined to another trial by an account merge
  CAST(b.history AS VARCHAR) AS history, -- event, snapshot or event_product
  CAST(b.known_at AS TIMESTAMP) AS known_at, -- when the trial was known
  CAST(b.account_known_at AS TIMESTAMP) AS account_known_at -- when its account was known
FROM based AS b
LEFT JOIN merged AS m ON m.trial_id = b.trial_id
