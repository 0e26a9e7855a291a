/*
description: Facts of a trial as they were known by the end of each of its days, one row for every stretch of days with equal facts. Late knowledge starts a stretch on the day it arrived, never earlier.
grain: one row per trial and first trial day of a stretch
key: [trial_id, k_from]
not_null: [trial_id, account_key, k_from, k_to, kind]
accepted: {card_type: [card_required, cardless, unknown], kind: [trial, freemium]}
incremental: [trial_id]
checks:
  - name: stretches_run_forward
    level: fail
    sql: SELECT trial_id, k_from, k_to FROM intermediate.trial_fact_steps WHERE k_to < k_from
*/
WITH instant_days AS (  -- the reporting days each UTC date touches: an equality for the join, or it would compare every day
  SELECT CAST(starts_at AS DATE) AS utc_date, day, day_no, starts_at, ends_at FROM config.calendar
  UNION
  SELECT CAST(ends_at AS DATE), day, day_no, starts_at, ends_at FROM config.calendar
),
per_day AS (
  SELECT trial_id, k, max(CASE fact WHEN 'version' THEN fact_no ELSE 0 END) AS version_no, max(trialing_no) AS trialing_no,
    sum(CASE fact WHEN 'card' THEN 1 WHEN 'card_removed' THEN -1 ELSE 0 END) AS cards, max(CASE WHEN fact IN ('card', 'card_at_start') THEN 1 ELSE 0 END) AS card_seen,
    max(CASE WHEN fact = 'card_at_start' THEN 1 ELSE 0 END) AS at_start, max(CASE fact WHEN 'ended' THEN 1 ELSE 0 END) AS ended,
    max(CASE fact WHEN 'repeat' THEN 1 ELSE 0 END) AS repeated, max(CASE fact WHEN 'add_on' THEN 1 ELSE 0 END) AS add_on,
    max(CASE WHEN fact = 'card_at_start' AND fact_no > 1000000 THEN 1 ELSE 0 END) AS told_at_start
  FROM intermediate.trial_facts_known
  GROUP BY trial_id, k
),
spine AS (  -- day 1 always has a row
  SELECT t.trial_id, 1 AS k, 0 AS version_no, 0 AS trialing_no, 0 AS cards, 0 AS card_seen, 0 AS at_start, 0 AS ended, 0 AS repeated, 0 AS add_on, 0 AS told_at_start
  FROM intermediate.trial_dates AS t
  LEFT JOIN per_day AS d ON d.trial_id = t.trial_id AND d.k = 1
  WHERE d.trial_id IS NULL
  UNION ALL
  SELECT * FROM per_day
),
so_far AS (
  SELECT trial_id, k, lead(k) OVER (PARTITION BY trial_id ORDER BY k) AS next_k,
    max(version_no) OVER (PARTITION BY trial_id ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS version_no,
    max(trialing_no) OVER (PARTITION BY trial_id ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS trialing_no,
    sum(cards + told_at_start) OVER (PARTITION BY trial_id ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cards,
    max(card_seen) OVER (PARTITION BY trial_id ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS card_seen,
    max(at_start) OVER (PARTITION BY trial_id ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS at_start,
    max(ended) OVER (PARTITION BY trial_id ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ended,
    max(repeated) OVER (PARTITION BY trial_id ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS repeated,
    max(add_on) OVER (PARTITION BY trial_id ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS add_on
  FROM spine
),
told AS (  -- the latest version known, and the latest trialing one: what the trial looked like then
  SELECT s.*, d.account_key, d.days_kept, t.source, t.kind, t.history, t.plan AS announced_plan, v.plan_id, v.status, v.is_trialing, v.canceled_at, v.ended_at,
    CASE
      WHEN t.kind = 'freemium' THEN NULL
      WHEN t.source = 'event' AND s.version_no > 0 THEN CASE WHEN s.ended = 1 THEN t.ends_at ELSE t.original_ends_at END
      WHEN NOT v.is_trialing AND v.status NOT IN ('canceled', 'incomplete_expired') AND v.trial_end_at < l.trial_end_at AND v.trial_end_at > t.started_at THEN v.trial_end_at
      ELSE l.trial_end_at
    END AS ends_at,
    coalesce(l.cancel_at_period_end, false) OR coalesce(l.cancel_at <= l.trial_end_at, false) OR l.canceled_at IS NOT NULL AS asks
  FROM so_far AS s
  INNER JOIN intermediate.trial_dates AS d ON d.trial_id = s.trial_id
  INNER JOIN intermediate.trial_bases AS t ON t.trial_id = s.trial_id
  LEFT JOIN intermediate.subscription_versions AS v ON v.subscription_id = t.subscription_id AND v.version_no = s.version_no
  LEFT JOIN intermediate.subscription_versions AS l ON l.subscription_id = t.subscription_id AND l.version_no = s.trialing_no
)
SELECT
  CAST(o.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(o.account_key AS INTEGER) AS account_key, -- account, merges followed
  CAST(o.k AS INTEGER) AS k_from, -- first trial day of the stretch
  CAST(coalesce(o.next_k - 1, o.days_kept) AS INTEGER) AS k_to, -- last one
  CAST(e.day_no AS INTEGER) AS ends_no, -- day of the end as known then; NULL for freemium and before the trial was known
  CAST(CASE
    WHEN o.version_no = 0 THEN NULL
    WHEN o.source = 'event' THEN o.kind = 'freemium' AND o.ended = 1
    WHEN o.kind = 'freemium' THEN o.status IN ('canceled', 'incomplete_expired')
    WHEN o.is_trialing THEN o.asks
    WHEN o.status IN ('canceled', 'incomplete_expired') THEN o.asks OR coalesce(o.canceled_at < o.ends_at, false) OR coalesce(o.ended_at < o.ends_at, false)
    ELSE coalesce(o.canceled_at < o.ends_at, false)
  END AS BOOLEAN) AS cancel_requested, -- whether a cancel request was in force; NULL before the trial was known
  CAST(CASE WHEN o.version_no = 0 THEN NULL WHEN o.cards > 0 THEN true WHEN o.history = 'event' OR o.card_seen = 1 THEN false END AS BOOLEAN) AS card_on_file, -- whether a payment method was on file; NULL where nothing tells
  CAST(CASE WHEN o.version_no = 0 THEN 'unknown' WHEN o.at_start = 1 THEN 'card_required' WHEN o.history = 'event' THEN 'cardless' ELSE 'unknown' END AS VARCHAR) AS card_type, -- payment method at the start, as known then
  CAST(CASE WHEN o.version_no = 0 THEN NULL ELSE coalesce(o.plan_id, CASE WHEN o.source = 'event' THEN o.announced_plan END) END AS VARCHAR) AS plan, -- plan as known then
  CAST(o.repeated = 0 AS BOOLEAN) AS is_first_trial, -- no earlier trial of the account was known to be over at the start
  CAST(o.add_on = 1 AS BOOLEAN) AS is_add_on, -- the account was known to be paying at the start
  CAST(o.kind AS VARCHAR) AS kind -- trial or freemium
FROM told AS o
LEFT JOIN instant_days AS e ON e.utc_date = CAST(o.ends_at AS DATE) AND o.ends_at >= e.starts_at AND o.ends_at < e.ends_at
