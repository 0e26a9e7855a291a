/*
description: What the versions of its subscription say about each billing trial.
grain: one row per billing trial
key: [trial_id]
not_null: [trial_id, is_paused]
*/
WITH held AS (  -- versions from the trial's first on; is_own up to the one before the next trial's first, and what is heard later speaks of that one
  SELECT t.trial_id, t.kind, t.is_ended_early, CASE WHEN t.next_version_no IS NULL OR v.version_no < t.next_version_no THEN 1 ELSE 0 END AS is_own,
    CASE WHEN t.kind = 'freemium' OR t.next_version_no IS NULL OR v.version_no < t.next_version_no THEN 1 ELSE 0 END AS is_heard,
    t.ends_at, t.first_version_no, t.last_version_no, v.version_no, v.at, v.status, v.is_trialing, v.canceled_at, v.cancel_reason,
    CASE WHEN v.status IN ('canceled', 'incomplete_expired') THEN coalesce(v.ended_at, v.at) END AS ended_at,
    v.plan_id, v.monthly_value_minor, v.currency,
    CASE WHEN v.cancel_at_period_end OR v.cancel_at <= t.ends_at OR v.canceled_at IS NOT NULL THEN 1 ELSE 0 END AS asks,
    row_number() OVER (PARTITION BY t.trial_id ORDER BY CASE WHEN t.next_version_no IS NULL OR v.version_no < t.next_version_no THEN 0 ELSE 1 END, v.version_no DESC) AS from_last,
    row_number() OVER (PARTITION BY t.trial_id ORDER BY CASE WHEN v.plan_id IS NULL THEN 1 ELSE 0 END, v.version_no) AS from_plan
  FROM intermediate.billing_trials AS t
  INNER JOIN intermediate.subscription_versions AS v ON v.subscription_id = t.subscription_id AND v.version_no >= t.first_version_no
),
refusals AS (  -- a request counts from the last trialing version without one on
  SELECT trial_id, max(CASE WHEN asks = 0 THEN version_no ELSE 0 END) AS last_calm_no
  FROM held
  WHERE is_trialing AND is_own = 1
  GROUP BY trial_id
),
asked AS (
  SELECT h.trial_id, min(coalesce(h.canceled_at, h.at)) AS requested_at
  FROM held AS h
  INNER JOIN refusals AS r ON r.trial_id = h.trial_id AND h.version_no > r.last_calm_no
  WHERE h.is_trialing AND h.is_own = 1
  GROUP BY h.trial_id
),
facts AS (
  SELECT h.trial_id, max(h.ends_at) AS ends_at,
    min(h.ended_at) AS ended_at, max(CASE WHEN h.is_ended_early THEN 1 ELSE 0 END) AS is_ended_early,
    max(CASE WHEN h.version_no = h.last_version_no + 1 THEN h.status END) AS left_status,
    min(CASE WHEN h.version_no = h.last_version_no + 1 THEN h.canceled_at END) AS left_canceled_at,
    min(CASE WHEN h.version_no = h.last_version_no + 1 THEN h.ended_at END) AS left_ended_at,
    max(CASE WHEN h.is_heard = 1 AND h.ended_at IS NOT NULL AND h.cancel_reason IN ('payment_failed', 'payment_disputed') THEN 1 ELSE 0 END) AS lost_by_payment,
    min(CASE WHEN h.is_heard = 1 AND h.status = 'active' AND h.version_no > h.first_version_no THEN h.at END) AS active_at,
    min(CASE WHEN h.is_heard = 1 AND h.status IN ('past_due', 'unpaid') AND coalesce(h.version_no > h.last_version_no, true) THEN h.at END) AS dunning_at,
    min(CASE WHEN h.status = 'paused' AND h.version_no = h.last_version_no + 1 THEN h.at END) AS paused_at,
    max(CASE WHEN h.from_last = 1 AND h.status = 'paused' THEN 1 ELSE 0 END) AS is_paused,
    max(CASE WHEN h.from_plan = 1 THEN h.plan_id END) AS plan_id, max(CASE WHEN h.from_plan = 1 THEN h.monthly_value_minor END) AS monthly_value_minor,
    max(CASE WHEN h.from_plan = 1 THEN h.currency END) AS currency
  FROM held AS h
  GROUP BY h.trial_id
)
SELECT
  CAST(f.trial_id AS VARCHAR) AS trial_id, -- billing trial
  CAST(f.ended_at AS TIMESTAMP) AS ended_at, -- when its subscription ended
  -- a request stands unless the version that ended the trial early took it back
  CAST(CASE
    WHEN f.lost_by_payment = 1 THEN NULL
    WHEN f.left_status IS NULL THEN a.requested_at
    WHEN f.left_status IN ('canceled', 'incomplete_expired') THEN CASE
      WHEN a.requested_at IS NOT NULL THEN a.requested_at
      WHEN f.left_canceled_at < f.ends_at THEN f.left_canceled_at
      WHEN f.left_ended_at < f.ends_at THEN f.left_ended_at END
    WHEN f.is_ended_early = 0 AND a.requested_at IS NOT NULL THEN a.requested_at
    WHEN f.left_canceled_at < f.ends_at THEN f.left_canceled_at
  END AS TIMESTAMP) AS cancel_requested_at, -- when the cancel request in force at the end of the trial was made
  CAST(f.active_at AS TIMESTAMP) AS active_status_at, -- first active after trialing
  CAST(f.dunning_at AS TIMESTAMP) AS dunning_at, -- first past_due or unpaid after trialing
  CAST(f.paused_at AS TIMESTAMP) AS paused_at, -- when it was left for paused
  CAST(f.lost_by_payment = 1 AS BOOLEAN) AS is_lost_by_payment, -- canceled because a payment failed or was disputed
  CAST(f.is_paused = 1 AS BOOLEAN) AS is_paused, -- whether it is paused as of the cut
  CAST(f.plan_id AS VARCHAR) AS plan, -- plan on the start day, the first known one for snapshots
  CAST(f.monthly_value_minor AS BIGINT) AS monthly_value_minor, -- its monthly value
  CAST(f.currency AS VARCHAR) AS currency -- its currency
FROM facts AS f
LEFT JOIN asked AS a ON a.trial_id = f.trial_id
