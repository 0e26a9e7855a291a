/*
description: >
  Trials that the product alone tells of. An announcement whose time overlaps another trial of its account, or whose start lies close to
  that one's, is no trial: billing's instants win, then the earliest announcement.
grain: one row per announced trial
key: [trial_id]
not_null: [trial_id, announced_key, account_key, kind, started_at, known_at]
accepted: {kind: [trial, freemium]}
incremental: [announced_key]
decision: one-trial-not-two
checks:
  - name: announced_trials_have_an_end
    level: fail
    sql: SELECT trial_id FROM intermediate.event_trials WHERE kind = 'trial' AND ends_at IS NULL
*/
WITH announced AS (
  SELECT a.*, coalesce(a.trial_ends_at, a.occurred_at + p.trial_length_days * INTERVAL 1 DAY) AS planned_end_at,
    CASE WHEN f.plan_id IS NULL THEN 'trial' ELSE 'freemium' END AS kind, p.one_trial_hours
  FROM intermediate.trial_announcements AS a
  CROSS JOIN config.parameters AS p
  LEFT JOIN config.trial_plans AS f ON f.plan_id = a.plan
  WHERE a.role = 'trial_started'
),
ends AS (
  SELECT a.announced_key, a.event_id, min(e.occurred_at) AS ended_at
  FROM announced AS a
  INNER JOIN intermediate.trial_announcements AS e ON e.announced_key = a.announced_key AND e.role = 'trial_ended'
  WHERE e.occurred_at > a.occurred_at AND (a.kind = 'freemium' OR e.occurred_at < a.planned_end_at)
  GROUP BY a.announced_key, a.event_id
),
timed AS (  -- Trial Ended before its time shortens; a trial of no length is none
  SELECT a.event_id, a.announced_key, a.account_key, a.kind, a.occurred_at AS started_at, a.plan, a.known_at, a.one_trial_hours, e.ended_at,
    CASE WHEN a.kind = 'trial' THEN a.planned_end_at END AS original_ends_at, CASE WHEN a.kind = 'trial' THEN coalesce(e.ended_at, a.planned_end_at) END AS ends_at
  FROM announced AS a
  LEFT JOIN ends AS e ON e.announced_key = a.announced_key AND e.event_id = a.event_id
  WHERE a.kind = 'freemium' OR a.planned_end_at IS NULL OR a.planned_end_at > a.occurred_at
),
billed AS (
  SELECT c.announced_key, t.kind, t.started_at, CASE WHEN s.ended_at < t.ends_at OR t.ends_at IS NULL THEN s.ended_at ELSE t.ends_at END AS over_at
  FROM intermediate.account_customers AS c
  INNER JOIN intermediate.billing_trials AS t ON t.customer_id = c.customer_id
  INNER JOIN intermediate.billing_trial_states AS s ON s.trial_id = t.trial_id
),
billing_knows AS (
  SELECT DISTINCT a.announced_key, a.event_id
  FROM timed AS a
  INNER JOIN billed AS b ON b.announced_key = a.announced_key AND b.kind = a.kind
  WHERE ((b.over_at IS NULL OR a.started_at < b.over_at) AND (a.ends_at IS NULL OR b.started_at < a.ends_at))
    OR (a.started_at <= b.started_at + a.one_trial_hours * INTERVAL 1 HOUR AND b.started_at <= a.started_at + a.one_trial_hours * INTERVAL 1 HOUR)
),
ordered AS (
  SELECT a.*, lag(a.started_at) OVER (PARTITION BY a.announced_key, a.kind ORDER BY a.started_at, a.event_id) AS start_before,
    max(a.ends_at) OVER (PARTITION BY a.announced_key, a.kind ORDER BY a.started_at, a.event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS end_before
  FROM timed AS a
  LEFT JOIN billing_knows AS b ON b.announced_key = a.announced_key AND b.event_id = a.event_id
  WHERE b.event_id IS NULL
)
SELECT
  CAST('event:' || a.account_id || ':' || o.event_id AS VARCHAR) AS trial_id, -- event:<account>:<start event>
  CAST(o.announced_key AS INTEGER) AS announced_key, -- account that announced it
  CAST(o.account_key AS INTEGER) AS account_key, -- account that one has become
  CAST(o.kind AS VARCHAR) AS kind, -- freemium when its plan is a configured trial plan
  CAST(o.started_at AS TIMESTAMP) AS started_at, -- the announcement
  CAST(o.original_ends_at AS TIMESTAMP) AS original_ends_at, -- announced end, else start + the configured length
  CAST(o.ends_at AS TIMESTAMP) AS ends_at, -- shortened by Trial Ended; NULL for freemium
  CAST(o.ended_at AS TIMESTAMP) AS told_ended_at, -- Trial Ended, where it came before its time
  CAST(o.plan AS VARCHAR) AS plan, -- plan announced
  CAST(o.known_at AS TIMESTAMP) AS known_at -- when it was known
FROM ordered AS o
INNER JOIN staging.accounts AS a ON a.account_key = o.announced_key
WHERE o.start_before IS NULL
  OR (o.kind = 'trial' AND o.started_at >= o.end_before AND o.started_at > o.start_before + o.one_trial_hours * INTERVAL 1 HOUR)
