/*
description: The segments a trial is in at the clock, with the day it entered.
grain: one row per trial and segment
key: [trial_id, segment]
not_null: [entered_on]
incremental: [trial_id]
*/
SELECT
    CAST(m.trial_id AS VARCHAR) AS trial_id, -- the trial
    CAST(m.segment AS VARCHAR) AS segment, -- key of the segment
    CAST(max(m.entered_on) AS DATE) AS entered_on, -- first day of the present stay
    CAST(t.is_active AS BOOLEAN) AS is_active -- whether the trial runs at the clock
FROM marts.memberships AS m
JOIN marts.trials AS t ON t.trial_id = m.trial_id
CROSS JOIN config.clock AS c
WHERE m.entered_on <= c.as_of_date AND (m.left_on IS NULL OR m.left_on > c.as_of_date)
GROUP BY m.trial_id, m.segment, t.is_active
