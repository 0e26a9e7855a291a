/*
description: Trials of Stripe subscriptions, re-entries joined, freemium subscriptions among them.
grain: one row per subscription and trial
key: [trial_id]
not_null: [trial_id, subscription_id, ordinal, kind, started_at, first_version_no, known_at, history]
accepted: {kind: [trial, freemium], history: [event, snapshot]}
decision: re-entry
incremental: [subscription_id]
*/
WITH followed AS (
  SELECT s.*, lag(s.left_at) OVER (PARTITION BY s.subscription_id ORDER BY s.spell_no) AS left_before,
    lag(s.ends_at) OVER (PARTITION BY s.subscription_id ORDER BY s.spell_no) AS end_before
  FROM intermediate.trial_spells AS s
),
gaps AS (
  SELECT f.*, CASE WHEN f.left_before < f.end_before THEN f.left_before ELSE f.end_before END AS over_at
  FROM followed AS f
),
paid_between AS (
  SELECT DISTINCT g.subscription_id, g.spell_no
  FROM gaps AS g
  INNER JOIN intermediate.invoices AS i ON i.subscription_id = g.subscription_id
  WHERE i.total_minor > 0 AND i.paid_at >= g.over_at AND i.paid_at <= g.started_at
),
judged AS (  -- back within days and nothing paid between: sales' commonest act, an extension
  SELECT g.*, CASE WHEN g.over_at IS NOT NULL AND g.started_at <= g.over_at + p.reentry_days * INTERVAL 1 DAY AND b.spell_no IS NULL THEN 0 ELSE 1 END AS is_new
  FROM gaps AS g
  CROSS JOIN config.parameters AS p
  LEFT JOIN paid_between AS b ON b.subscription_id = g.subscription_id AND b.spell_no = g.spell_no
),
numbered AS (
  SELECT *, sum(is_new) OVER (PARTITION BY subscription_id ORDER BY spell_no ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ordinal
  FROM judged
),
joined AS (
  SELECT subscription_id, ordinal, min(spell_no) AS first_spell_no, max(spell_no) AS last_spell_no,
    sum(extension_count) + count(spell_no) - 1 AS extension_count, sum(shortened_count) AS shortened_count,
    sum(CASE WHEN is_ended_early THEN 1 ELSE 0 END) AS early_count, min(history) AS best_history
  FROM numbered
  GROUP BY subscription_id, ordinal
),
trials AS (
  SELECT j.subscription_id, j.ordinal, 'trial' AS kind, a.customer_id, a.started_at, a.original_ends_at, z.ends_at, z.is_ended_early, z.left_at, z.left_status,
    a.first_version_no, z.last_version_no, j.extension_count,
    j.shortened_count + j.early_count - CASE WHEN z.is_ended_early THEN 1 ELSE 0 END AS shortened_count,  -- what came before a re-entry was not paid
    j.best_history AS history, a.known_at
  FROM joined AS j
  INNER JOIN numbered AS a ON a.subscription_id = j.subscription_id AND a.spell_no = j.first_spell_no
  INNER JOIN numbered AS z ON z.subscription_id = j.subscription_id AND z.spell_no = j.last_spell_no
),
planned AS (  -- the first state whose plan is known decides
  SELECT v.*, row_number() OVER (PARTITION BY v.subscription_id ORDER BY v.version_no) AS place
  FROM intermediate.subscription_versions AS v
  WHERE v.plan_id IS NOT NULL AND v.status NOT IN ('incomplete', 'incomplete_expired')
),
freemium AS (
  SELECT p.subscription_id, p.customer_id, coalesce(p.subscription_created_at, p.at) AS started_at, p.version_no AS first_version_no, p.history, p.known_at
  FROM planned AS p
  LEFT JOIN joined AS j ON j.subscription_id = p.subscription_id AND j.ordinal = 1
  LEFT JOIN intermediate.trial_spells AS s ON s.subscription_id = j.subscription_id AND s.spell_no = j.first_spell_no
  WHERE p.place = 1 AND p.is_trial_plan AND NOT p.is_trialing AND (s.started_at IS NULL OR s.started_at > coalesce(p.subscription_created_at, p.at))
),
everything AS (
  SELECT t.subscription_id, t.ordinal + CASE WHEN f.subscription_id IS NULL THEN 0 ELSE 1 END AS ordinal, t.kind, t.customer_id, t.started_at, t.original_ends_at,
    t.ends_at, t.is_ended_early, t.left_at, t.left_status, t.first_version_no, t.last_version_no, t.extension_count, t.shortened_count, t.history, t.known_at
  FROM trials AS t
  LEFT JOIN freemium AS f ON f.subscription_id = t.subscription_id
  UNION ALL
  SELECT subscription_id, 1, 'freemium', customer_id, started_at, NULL, NULL, false, NULL, NULL, first_version_no, NULL, 0, 0, history, known_at
  FROM freemium
)
SELECT
  CAST('stripe:' || subscription_id || ':' || CAST(ordinal AS VARCHAR) AS VARCHAR) AS trial_id, -- stripe:<subscription>:<ordinal>
  CAST(subscription_id AS VARCHAR) AS subscription_id, -- Stripe's id
  CAST(ordinal AS INTEGER) AS ordinal, -- place among the subscription's trials, from 1
  CAST(kind AS VARCHAR) AS kind, -- trial or freemium
  CAST(customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(started_at AS TIMESTAMP) AS started_at, -- first instant
  CAST(original_ends_at AS TIMESTAMP) AS original_ends_at, -- end as first planned; NULL for freemium
  CAST(ends_at AS TIMESTAMP) AS ends_at, -- end as planned last; NULL for freemium
  CAST(is_ended_early AS BOOLEAN) AS is_ended_early, -- trial_end=now
  CAST(left_at AS TIMESTAMP) AS left_at, -- when the status left trialing for good
  CAST(left_status AS VARCHAR) AS left_status, -- and for which status
  CAST(first_version_no AS INTEGER) AS first_version_no, -- subscription version it begins with
  CAST(last_version_no AS INTEGER) AS last_version_no, -- last trialing version; NULL for freemium
  CAST(lead(first_version_no) OVER (PARTITION BY subscription_id ORDER BY ordinal) AS INTEGER) AS next_version_no, -- version the subscription's next trial begins with
  CAST(lead(started_at) OVER (PARTITION BY subscription_id ORDER BY ordinal) AS TIMESTAMP) AS next_started_at, -- when the subscription's next trial starts
  CAST(extension_count AS INTEGER) AS extension_count, -- times the end moved later, re-entries among them
  CAST(shortened_count AS INTEGER) AS shortened_count, -- times the end moved earlier while trialing
  CAST(history AS VARCHAR) AS history, -- snapshot when no event tells of it
  CAST(known_at AS TIMESTAMP) AS known_at -- when it was first known
FROM everything
