/*
description: >-
  What the typical trial is counted from: sums over the trials still open and unpaid at the end of a day, by the day of the trial. Each day has
  rows of its own, so that a day to come changes none.
grain: one row per kind, trial day and reporting day
key: [kind, trial_day, activity_date]
not_null: [trials]
incremental: [trial_day, activity_date]
*/
WITH open_days AS (
  SELECT d.*
  FROM intermediate.trial_days AS d
  JOIN intermediate.trial_bases AS t ON t.trial_id = d.trial_id
  JOIN intermediate.trial_payments AS p ON p.trial_id = d.trial_id
  JOIN config.calendar AS k ON k.day = d.activity_date
  WHERE d.is_complete AND NOT t.is_merged AND (p.converted_at IS NULL OR p.converted_at >= k.ends_at) AND (t.ended_at IS NULL OR t.ended_at >= k.ends_at)
)
SELECT
  CAST(d.kind AS VARCHAR) AS kind, -- trial or freemium
  CAST(d.trial_day AS INTEGER) AS trial_day, -- 1 is the day of the start
  CAST(d.activity_date AS DATE) AS activity_date, -- reporting day
  CAST(count(*) AS BIGINT) AS trials, -- trials the sums are over
  CAST(sum(d.active_days_3d) AS BIGINT) AS active_days_3d, -- sum
  CAST(sum(d.active_days_7d) AS BIGINT) AS active_days_7d, -- sum
  CAST(sum(d.active_days_14d) AS BIGINT) AS active_days_14d, -- sum
  CAST(sum(d.active_days_28d) AS BIGINT) AS active_days_28d, -- sum
  CAST(sum(d.value_events_7d) AS BIGINT) AS value_events_7d, -- sum
  CAST(sum(d.value_events_total) AS BIGINT) AS value_events_total, -- sum
  CAST(sum(d.features_used) AS BIGINT) AS features_used, -- sum
  CAST(sum(d.active_users_7d) AS BIGINT) AS active_users_7d, -- sum
  CAST(sum(d.current_streak_days) AS BIGINT) AS current_streak_days, -- sum
  CAST(sum(d.longest_streak_days) AS BIGINT) AS longest_streak_days, -- sum
  CAST(sum(d.recency_days) AS BIGINT) AS recency_days, -- sum
  CAST(count(d.recency_days) AS BIGINT) AS recency_days_known, -- trials that have it
  CAST(sum(d.quiet_days) AS BIGINT) AS quiet_days, -- sum
  CAST(count(d.quiet_days) AS BIGINT) AS quiet_days_known, -- trials that have it
  CAST(sum(d.days_left) AS BIGINT) AS days_left, -- sum
  CAST(count(d.days_left) AS BIGINT) AS days_left_known, -- trials that have it
  CAST(sum(d.percentile) AS BIGINT) AS percentile, -- sum
  CAST(count(d.percentile) AS BIGINT) AS percentile_known, -- trials that have it
  CAST(sum(d.usage_intensity_hundredths) AS BIGINT) AS usage_intensity_hundredths, -- sum
  CAST(sum(d.emails_clicked) AS BIGINT) AS emails_clicked, -- sum
  CAST(sum(d.emails_replied) AS BIGINT) AS emails_replied, -- sum
  CAST(sum(CASE WHEN d.each_milestone_on IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS each_milestone_reached, -- trials that had reached each_milestone
  CAST(sum(CASE WHEN d.each_rule_points <> 0 THEN 1 ELSE 0 END) AS BIGINT) AS each_rule_given -- trials with points from the rule each_rule
FROM open_days AS d
GROUP BY d.kind, d.trial_day, d.activity_date
