/*
description: >-
  The typical trial on each trial day: means over the trials still open and unpaid at the end of that day. Reasons set
  a trial's own number against it.
grain: one row per kind and trial day
key: [kind, trial_day]
not_null: [trials]
incremental: [kind, trial_day]
*/
SELECT
    CAST(d.kind AS VARCHAR) AS kind, -- trial or freemium
    CAST(d.trial_day AS INTEGER) AS trial_day, -- 1 is the day of the start
    CAST(sum(d.trials) AS BIGINT) AS trials, -- trials the means are over
    CAST(CAST(sum(d.active_days_3d) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS active_days_3d, -- mean
    CAST(CAST(sum(d.active_days_7d) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS active_days_7d, -- mean
    CAST(CAST(sum(d.active_days_14d) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS active_days_14d, -- mean
    CAST(CAST(sum(d.active_days_28d) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS active_days_28d, -- mean
    CAST(CAST(sum(d.value_events_7d) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS value_events_7d, -- mean
    CAST(CAST(sum(d.value_events_total) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS value_events_total, -- mean
    CAST(CAST(sum(d.features_used) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS features_used, -- mean
    CAST(CAST(sum(d.active_users_7d) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS active_users_7d, -- mean
    CAST(CAST(sum(d.current_streak_days) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS current_streak_days, -- mean
    CAST(CAST(sum(d.longest_streak_days) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS longest_streak_days, -- mean
    CAST(CAST(sum(d.recency_days) AS DOUBLE) / nullif(sum(d.recency_days_known), 0) AS DOUBLE) AS recency_days, -- mean over trials that were ever active
    CAST(CAST(sum(d.quiet_days) AS DOUBLE) / nullif(sum(d.quiet_days_known), 0) AS DOUBLE) AS quiet_days, -- mean over trials that were ever active
    CAST(CAST(sum(d.days_left) AS DOUBLE) / nullif(sum(d.days_left_known), 0) AS DOUBLE) AS days_left, -- mean
    CAST(CAST(sum(d.percentile) AS DOUBLE) / nullif(sum(d.percentile_known), 0) AS DOUBLE) AS percentile, -- mean
    CAST(CAST(sum(d.usage_intensity_hundredths) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS usage_intensity_hundredths, -- mean
    CAST(CAST(sum(d.emails_clicked) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS emails_clicked, -- mean
    CAST(CAST(sum(d.emails_replied) AS DOUBLE) / nullif(sum(d.trials), 0) AS DOUBLE) AS emails_replied, -- mean
    CAST(CAST(sum(d.each_milestone_reached) AS DOUBLE) / sum(d.trials) AS DOUBLE) AS each_milestone_share, -- share of trials that had reached each_milestone
    CAST(CAST(sum(d.each_rule_given) AS DOUBLE) / sum(d.trials) AS DOUBLE) AS each_rule_usual -- share of trials with points from the rule each_rule
FROM intermediate.typical_parts AS d
GROUP BY d.kind, d.trial_day
