/*
description: >-
  The periods metrics are counted in, one row per day of each, from the day of the first trial to the as_of date:
  days, ISO weeks, months, and `all` for the whole time.
grain: one row per unit and day
key: [unit, day]
not_null: [period_start, period_end, seen_end]
accepted: {unit: [day, week, month, all]}
*/
WITH seen AS (
    SELECT k.day, k.week_start, k.month_start, c.as_of_date,
        min(k.day) OVER (ORDER BY k.day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS first_day
    FROM marts.calendar AS k
    JOIN marts.clock AS c ON k.day <= c.as_of_date
),
buckets AS (
    SELECT 'day' AS unit, s.day, s.as_of_date, s.day AS period_start,
        CAST(s.day + INTERVAL 1 DAY AS DATE) AS period_end
    FROM seen AS s
    UNION ALL
    SELECT 'week' AS unit, s.day, s.as_of_date, s.week_start AS period_start,
        CAST(s.week_start + INTERVAL 7 DAY AS DATE) AS period_end
    FROM seen AS s
    UNION ALL
    SELECT 'month' AS unit, s.day, s.as_of_date, s.month_start AS period_start,
        CAST(s.month_start + INTERVAL 1 MONTH AS DATE) AS period_end
    FROM seen AS s
    UNION ALL
    SELECT 'all' AS unit, s.day, s.as_of_date, s.first_day AS period_start,
        CAST(s.as_of_date + INTERVAL 1 DAY AS DATE) AS period_end
    FROM seen AS s
)
SELECT
    CAST(b.unit AS VARCHAR) AS unit, -- day, week, month or all
    CAST(b.day AS DATE) AS day, -- a local day of the period that has been seen
    CAST(b.period_start AS DATE) AS period_start, -- first day of the period
    CAST(b.period_end AS DATE) AS period_end, -- the day after its last
    CAST(least(b.period_end, CAST(b.as_of_date + INTERVAL 1 DAY AS DATE)) AS DATE) AS seen_end -- the day after its last seen day
FROM buckets AS b
