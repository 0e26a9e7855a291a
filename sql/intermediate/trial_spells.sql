/*
description: Unbroken times a Stripe subscription spent in trialing, before re-entries are joined.
grain: one row per subscription and spell
key: [subscription_id, spell_no]
not_null: [subscription_id, spell_no, first_version_no, last_version_no, started_at, ends_at, original_ends_at]
incremental: [subscription_id]
*/
WITH stepped AS (
  SELECT v.*,
    lag(v.is_trialing) OVER (PARTITION BY v.subscription_id ORDER BY v.version_no) AS was_trialing,
    lag(v.trial_start_at) OVER (PARTITION BY v.subscription_id ORDER BY v.version_no) AS start_before,
    lag(v.trial_end_at) OVER (PARTITION BY v.subscription_id ORDER BY v.version_no) AS end_before
  FROM intermediate.subscription_versions AS v
),
flagged AS (  -- a trial that starts after the last one's end is another one, even when nothing was heard between
  SELECT *, CASE WHEN is_trialing AND (NOT coalesce(was_trialing, false) OR trial_start_at >= end_before) THEN 1 ELSE 0 END AS is_entry
  FROM stepped
),
numbered AS (
  SELECT *, sum(is_entry) OVER (PARTITION BY subscription_id ORDER BY version_no ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS spell_no
  FROM flagged
),
spells AS (
  SELECT subscription_id, spell_no, min(version_no) AS first_version_no, max(version_no) AS last_version_no,
    sum(CASE WHEN is_entry = 0 AND trial_end_at > end_before THEN 1 ELSE 0 END) AS extension_count,
    sum(CASE WHEN is_entry = 0 AND trial_end_at < end_before THEN 1 ELSE 0 END) AS shortened_count,
    min(CASE history WHEN 'event' THEN 0 ELSE 1 END) AS is_snapshot_only
  FROM numbered
  WHERE is_trialing
  GROUP BY subscription_id, spell_no
)
SELECT
  CAST(s.subscription_id AS VARCHAR) AS subscription_id, -- Stripe's id
  CAST(s.spell_no AS INTEGER) AS spell_no, -- place among the subscription's spells, from 1
  CAST(f.customer_id AS VARCHAR) AS customer_id, -- Stripe customer
  CAST(s.first_version_no AS INTEGER) AS first_version_no, -- version it begins with
  CAST(s.last_version_no AS INTEGER) AS last_version_no, -- last trialing version
  CAST(f.trial_start_at AS TIMESTAMP) AS started_at, -- trial_start of the first version
  CAST(f.trial_end_at AS TIMESTAMP) AS original_ends_at, -- trial_end of the first version
  CAST(CASE WHEN n.status NOT IN ('canceled', 'incomplete_expired', 'trialing') AND n.trial_end_at < t.trial_end_at AND n.trial_end_at > t.trial_start_at
    THEN n.trial_end_at ELSE t.trial_end_at END AS TIMESTAMP) AS ends_at, -- trial_end of the last version, or the earlier one it was left with
  CAST(coalesce(n.status NOT IN ('canceled', 'incomplete_expired', 'trialing') AND n.trial_end_at < t.trial_end_at AND n.trial_end_at > t.trial_start_at, false) AS BOOLEAN) AS is_ended_early, -- trial_end=now: paid or shortened
  CAST(n.at AS TIMESTAMP) AS left_at, -- instant of the first later version that is not trialing
  CAST(n.status AS VARCHAR) AS left_status, -- its status
  CAST(s.extension_count AS INTEGER) AS extension_count, -- how often trial_end moved later
  CAST(s.shortened_count AS INTEGER) AS shortened_count, -- how often it moved earlier
  CAST(CASE s.is_snapshot_only WHEN 1 THEN 'snapshot' ELSE 'event' END AS VARCHAR) AS history, -- snapshot when no event tells of it
  CAST(f.known_at AS TIMESTAMP) AS known_at -- when it was first known
FROM spells AS s
INNER JOIN numbered AS f ON f.subscription_id = s.subscription_id AND f.version_no = s.first_version_no
INNER JOIN numbered AS t ON t.subscription_id = s.subscription_id AND t.version_no = s.last_version_no
LEFT JOIN numbered AS n ON n.subscription_id = s.subscription_id AND n.version_no = s.last_version_no + 1
