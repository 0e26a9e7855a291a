/*
description: Where each trial stands among the trials and subscriptions of its account.
grain: one row per trial
key: [trial_id]
not_null: [trial_id, is_first_trial, is_add_on]
decision: first-trials
*/
WITH numbered AS (  -- a trial that was merged into another is not counted
  SELECT t.trial_id, t.account_key, t.subscription_id, t.source, t.started_at, t.is_merged,
    row_number() OVER (PARTITION BY t.account_key, t.kind, t.is_merged ORDER BY t.started_at, t.trial_id) AS trial_number,
    min(CASE WHEN t.kind = 'trial' AND NOT t.is_merged THEN o.effective_end_at END)
      OVER (PARTITION BY t.account_key ORDER BY t.started_at, t.trial_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS end_before,
    min(CASE WHEN t.kind = 'trial' AND NOT t.is_merged THEN o.effective_end_at END)
      OVER (PARTITION BY t.account_key ORDER BY t.started_at, t.trial_id ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS end_after  -- paid at the instant it started
  FROM intermediate.trial_bases AS t
  INNER JOIN intermediate.trial_outcomes AS o ON o.trial_id = t.trial_id
),
ended AS (
  SELECT subscription_id, min(CASE WHEN status IN ('canceled', 'incomplete_expired') THEN coalesce(ended_at, at) END) AS ended_at
  FROM intermediate.subscription_versions
  GROUP BY subscription_id
),
covered AS (  -- service paid for at the start, by another subscription that was still there
  SELECT t.trial_id, min(i.paid_known_at) AS known_at
  FROM numbered AS t
  INNER JOIN intermediate.account_invoices AS i ON i.account_key = t.account_key
  INNER JOIN ended AS e ON e.subscription_id = i.subscription_id
  WHERE i.total_minor > 0 AND i.has_service AND i.paid_at <= t.started_at AND i.service_from_at <= t.started_at AND i.service_end_at > t.started_at
    AND (t.subscription_id IS NULL OR i.subscription_id <> t.subscription_id) AND (e.ended_at IS NULL OR e.ended_at > t.started_at)
  GROUP BY t.trial_id
),
told AS (  -- the last thing the product said of the account's subscription before the start
  SELECT t.trial_id, a.role, a.known_at, row_number() OVER (PARTITION BY t.trial_id ORDER BY a.occurred_at DESC, a.event_id DESC) AS place
  FROM numbered AS t
  INNER JOIN intermediate.trial_announcements AS a ON a.account_key = t.account_key
  WHERE t.source = 'event' AND a.occurred_at < t.started_at
    AND ((a.role = 'subscription_started' AND a.amount_minor > 0) OR a.role = 'subscription_ended')
)
SELECT
  CAST(n.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(CASE WHEN NOT n.is_merged THEN n.trial_number END AS INTEGER) AS trial_number, -- place among the account's trials of its kind; NULL when merged
  CAST(NOT n.is_merged AND coalesce(n.end_before > n.started_at, true) AND coalesce(n.end_after > n.started_at, true) AS BOOLEAN) AS is_first_trial, -- no earlier trial of the account had ended
  CAST(c.trial_id IS NOT NULL OR coalesce(p.role = 'subscription_started', false) AS BOOLEAN) AS is_add_on, -- the account was paying at the start
  CAST(coalesce(c.known_at, CASE WHEN p.role = 'subscription_started' THEN p.known_at END) AS TIMESTAMP) AS add_on_known_at -- when that was known
FROM numbered AS n
LEFT JOIN covered AS c ON c.trial_id = n.trial_id
LEFT JOIN told AS p ON p.trial_id = n.trial_id AND p.place = 1
