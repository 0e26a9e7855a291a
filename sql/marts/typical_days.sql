/*
description: >-
  The typical trial on each trial day: means over the trials still open and unpaid at the end of that day. Reasons set
  a trial's own number against it.
grain: one row per kind and trial day
key: [kind, trial_day]
not_null: [trials]
*/
WITH open_days AS (
    SELECT d.*
    FROM intermediate.trial_days AS d
    JOIN intermediate.trials AS t ON t.trial_id = d.trial_id
    JOIN config.calendar AS k ON k.day = d.activity_date
    WHERE d.is_complete AND t.outcome <> 'merged' AND (t.converted_at IS NULL OR t.converted_at >= k.ends_at)
        AND (t.ended_at IS NULL OR t.ended_at >= k.ends_at)
)
SELECT
    CAST(d.kind AS VARCHAR) AS kind, -- trial or freemium
    CAST(d.trial_day AS INTEGER) AS trial_day, -- 1 is the day of the start
    CAST(count(*) AS BIGINT) AS trials, -- trials the means are over
    CAST(avg(d.active_days_3d) AS DOUBLE) AS active_days_3d, -- mean
    CAST(avg(d.active_days_7d) AS DOUBLE) AS active_days_7d, -- mean
    CAST(avg(d.active_days_14d) AS DOUBLE) AS active_days_14d, -- mean
    CAST(avg(d.active_days_28d) AS DOUBLE) AS active_days_28d, -- mean
    CAST(avg(d.value_events_7d) AS DOUBLE) AS value_events_7d, -- mean
    CAST(avg(d.value_events_total) AS DOUBLE) AS value_events_total, -- mean
    CAST(avg(d.features_used) AS DOUBLE) AS features_used, -- mean
    CAST(avg(d.active_users_7d) AS DOUBLE) AS active_users_7d, -- mean
    CAST(avg(d.current_streak_days) AS DOUBLE) AS current_streak_days, -- mean
    CAST(avg(d.longest_streak_days) AS DOUBLE) AS longest_streak_days, -- mean
    CAST(avg(d.recency_days) AS DOUBLE) AS recency_days, -- mean over trials that were ever active
    CAST(avg(d.quiet_days) AS DOUBLE) AS quiet_days, -- mean over trials that were ever active
    CAST(avg(d.days_left) AS DOUBLE) AS days_left, -- mean
    CAST(avg(d.percentile) AS DOUBLE) AS percentile, -- mean
    CAST(avg(d.usage_intensity_hundredths) AS DOUBLE) AS usage_intensity_hundredths, -- mean
    CAST(avg(d.emails_clicked) AS DOUBLE) AS emails_clicked, -- mean
    CAST(avg(d.emails_replied) AS DOUBLE) AS emails_replied, -- mean
    CAST(avg(CASE WHEN d.each_milestone_on IS NOT NULL THEN 1.0 ELSE 0.0 END) AS DOUBLE) AS each_milestone_share, -- share of trials that had reached each_milestone
    CAST(avg(CASE WHEN d.each_rule_points <> 0 THEN 1.0 ELSE 0.0 END) AS DOUBLE) AS each_rule_usual -- share of trials with points from the rule each_rule
FROM open_days AS d
GROUP BY d.kind, d.trial_day
