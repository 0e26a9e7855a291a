/*
description: The raw numbers a reason can show when a rule's condition speaks of them, and how they are put.
grain: one row per measure
key: [measure]
*/
WITH measures AS (
    SELECT v.measure, v.phrase FROM (VALUES
        ('active_days_3d', 'active days of the last 3'),
        ('active_days_7d', 'active days of the last 7'),
        ('active_days_14d', 'active days of the last 14'),
        ('active_days_28d', 'active days of the last 28'),
        ('value_events_7d', 'value events in 7 days'),
        ('value_events_total', 'value events so far'),
        ('features_used', 'features used'),
        ('active_users_7d', 'active people in 7 days'),
        ('current_streak_days', 'active days in a row'),
        ('longest_streak_days', 'active days in a row at best'),
        ('recency_days', 'days since the last use'),
        ('quiet_days', 'completed days without use'),
        ('days_left', 'days left'),
        ('percentile', 'percentile of use among trials of the same day'),
        ('usage_intensity_hundredths', 'of 100 in usage intensity'),
        ('emails_clicked', 'e-mails clicked'),
        ('emails_replied', 'e-mails answered')
    ) AS v (measure, phrase)
)
SELECT
    CAST(m.measure AS VARCHAR) AS measure, -- column of intermediate.trial_days
    CAST(m.phrase AS VARCHAR) AS phrase -- what stands behind the number
FROM measures AS m
