/*
description: One row per calendar day of the reporting time zone, from the first trial on, up to a year past the clock.
grain: one row per day
key: [day]
*/
WITH first_trial AS (
    SELECT coalesce(min(t.start_no), max(c.as_of_no)) AS day_no
    FROM config.clock AS c
    LEFT JOIN intermediate.trial_dates AS t ON t.start_no <= c.as_of_no
)
SELECT
    CAST(k.day AS DATE) AS day, -- the local calendar day
    CAST(k.day_no AS INTEGER) AS day_no, -- days since 1970-01-01
    CAST(k.starts_at AS TIMESTAMP) AS starts_at, -- the UTC instant at which the local day begins
    CAST(k.ends_at AS TIMESTAMP) AS ends_at, -- the UTC instant at which the next local day begins
    CAST(k.week_start AS DATE) AS week_start, -- Monday of the ISO week
    CAST(k.month_start AS DATE) AS month_start -- first day of the month
FROM config.calendar AS k
CROSS JOIN config.clock AS c
CROSS JOIN first_trial AS f
WHERE k.day_no >= f.day_no AND k.day_no <= c.as_of_no + 366
