/*
description: >-
  The rule score of every trial day, part by part: what `explain` compares two days by. Each row holds only what was
  known at that day's end.
grain: one row per trial and day
key: [trial_id, trial_day]
materialized: view
published: true
*/
SELECT
    CAST(d.trial_id AS VARCHAR) AS trial_id, -- the trial
    CAST(d.trial_day AS INTEGER) AS trial_day, -- 1 is the day of the start
    CAST(d.activity_date AS DATE) AS activity_date, -- the local day
    CAST(d.is_complete AS BOOLEAN) AS is_complete, -- false for the day the clock stands in
    CAST(d.rule_score_hundredths AS BIGINT) AS score_hundredths, -- the score, in hundredths of a point
    CAST(d.each_rule_points AS BIGINT) AS each_rule_points, -- hundredths of a point from the rule each_rule
    CAST(d.each_group_cap AS BIGINT) AS each_group_cap -- hundredths of a point the cap of each_group takes away
FROM intermediate.trial_days AS d
