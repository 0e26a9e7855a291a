/*
description: >-
  Why a trial stands where it stands: the three rules that give its score most and the one that takes most, with the
  raw number against the typical trial of the same day. A reason goes with converting; it is no cause.
grain: one row per trial and rank
key: [trial_id, rank]
not_null: [key, text, points]
incremental: [trial_id]
*/
WITH ranked AS (
    SELECT p.trial_id, p.trial_day, p.part, p.points_hundredths, p.reached_on,
        row_number() OVER (PARTITION BY p.trial_id, CASE WHEN p.points_hundredths > 0 THEN 1 ELSE 0 END
            ORDER BY abs(p.points_hundredths) DESC, p.ordinal) AS place
    FROM marts.score_parts AS p
    WHERE p.kind = 'rule'
),
chosen AS (
    SELECT r.*, s.text, s.milestone, s.condition
    FROM ranked AS r
    JOIN config.score_rules AS s ON s.rule = r.part
    WHERE r.place <= 3 AND (r.points_hundredths > 0 OR r.place = 1)
),
spoken AS ( -- the measure the condition names first
    SELECT c.trial_id, c.part, m.measure, m.phrase,
        row_number() OVER (PARTITION BY c.trial_id, c.part ORDER BY strpos(c.condition, m.measure), m.measure DESC) AS place
    FROM chosen AS c
    JOIN marts.reason_measures AS m ON strpos(c.condition, m.measure) > 0
),
numbers AS (
    SELECT c.*, s.phrase,
        CASE s.measure WHEN 'active_days_3d' THEN d.active_days_3d WHEN 'active_days_7d' THEN d.active_days_7d
            WHEN 'active_days_14d' THEN d.active_days_14d WHEN 'active_days_28d' THEN d.active_days_28d
            WHEN 'value_events_7d' THEN d.value_events_7d WHEN 'value_events_total' THEN d.value_events_total
            WHEN 'features_used' THEN d.features_used WHEN 'active_users_7d' THEN d.active_users_7d
            WHEN 'current_streak_days' THEN d.current_streak_days
            WHEN 'longest_streak_days' THEN d.longest_streak_days WHEN 'recency_days' THEN d.recency_days
            WHEN 'quiet_days' THEN d.quiet_days WHEN 'days_left' THEN d.days_left WHEN 'percentile' THEN d.percentile
            WHEN 'usage_intensity_hundredths' THEN d.usage_intensity_hundredths / 100.0
            WHEN 'emails_clicked' THEN d.emails_clicked WHEN 'emails_replied' THEN d.emails_replied END AS value,
        CASE s.measure WHEN 'active_days_3d' THEN y.active_days_3d WHEN 'active_days_7d' THEN y.active_days_7d
            WHEN 'active_days_14d' THEN y.active_days_14d WHEN 'active_days_28d' THEN y.active_days_28d
            WHEN 'value_events_7d' THEN y.value_events_7d WHEN 'value_events_total' THEN y.value_events_total
            WHEN 'features_used' THEN y.features_used WHEN 'active_users_7d' THEN y.active_users_7d
            WHEN 'current_streak_days' THEN y.current_streak_days
            WHEN 'longest_streak_days' THEN y.longest_streak_days WHEN 'recency_days' THEN y.recency_days
            WHEN 'quiet_days' THEN y.quiet_days WHEN 'days_left' THEN y.days_left WHEN 'percentile' THEN y.percentile
            WHEN 'usage_intensity_hundredths' THEN y.usage_intensity_hundredths / 100.0
            WHEN 'emails_clicked' THEN y.emails_clicked WHEN 'emails_replied' THEN y.emails_replied END AS typical,
        CASE c.milestone WHEN 'each_milestone' THEN y.each_milestone_share END AS reached_share,
        CASE c.part WHEN 'each_rule' THEN y.each_rule_usual END AS rule_share
    FROM chosen AS c
    JOIN intermediate.trial_days AS d ON d.trial_id = c.trial_id AND d.trial_day = c.trial_day
    -- by the day of the score: of the days of a trial only that one is compared
    LEFT JOIN marts.typical_days AS y ON y.trial_day = c.trial_day AND y.kind = d.kind
    LEFT JOIN spoken AS s ON s.trial_id = c.trial_id AND s.part = c.part AND s.place = 1
),
worded AS (
    SELECT n.trial_id, n.part, n.points_hundredths, n.place,
        CASE WHEN n.phrase IS NOT NULL THEN n.value END AS value,
        CASE WHEN n.phrase IS NOT NULL THEN n.typical ELSE coalesce(n.reached_share, n.rule_share) END AS typical,
        CASE WHEN n.phrase IS NOT NULL THEN concat(CAST(CAST(n.value AS BIGINT) AS VARCHAR), ' ', n.phrase)
            WHEN n.reached_on IS NOT NULL THEN concat(n.text, ' on ', CAST(n.reached_on AS VARCHAR))
            ELSE n.text END AS said,
        CASE WHEN n.phrase IS NOT NULL THEN CAST(CAST(n.typical AS DECIMAL(18, 1)) AS VARCHAR)
            ELSE concat(CAST(CAST(coalesce(n.reached_share, n.rule_share) * 100 AS BIGINT) AS VARCHAR), ' % of trials')
            END AS usual,
        n.trial_day
    FROM numbers AS n
)
SELECT
    CAST(w.trial_id AS VARCHAR) AS trial_id, -- the trial
    CAST(row_number() OVER (PARTITION BY w.trial_id ORDER BY CASE WHEN w.points_hundredths > 0 THEN 0 ELSE 1 END, w.place)
        AS INTEGER) AS rank, -- 1 to 4: up to three that give points, then the one that takes most
    CAST(w.part AS VARCHAR) AS key, -- key of the rule
    CAST(CASE WHEN w.typical IS NULL THEN w.said
        ELSE concat(w.said, '; typical on day ', CAST(w.trial_day AS VARCHAR), ': ', w.usual) END AS VARCHAR)
        AS text, -- the raw number against the typical trial of the same day
    CAST(w.value AS DOUBLE) AS value, -- the trial's own number; NULL where the rule is not about one
    CAST(w.typical AS DOUBLE) AS typical, -- mean of the trials at risk on that day, or the share with the same mark
    CAST(w.points_hundredths / 100.0 AS DOUBLE) AS points, -- what it adds to the score
    CAST(t.is_active AS BOOLEAN) AS is_active -- whether the trial runs at the clock
FROM worded AS w
JOIN marts.trials AS t ON t.trial_id = w.trial_id
