/*
description: >-
  People with a value event on each completed day and in the 28 days up to it. A person counts from an active day on,
  up to the day before the next one and for 28 days at most, so that the counts of a window add up.
grain: one row per completed day since the first event
key: [activity_date]
not_null: [active_users, active_users_28d]
*/
WITH active AS (
    SELECT u.user_key, k.day_no
    FROM intermediate.user_days AS u
    JOIN config.calendar AS k ON k.day = u.activity_date
    WHERE u.value_events > 0 AND u.user_key <> 0
    GROUP BY u.user_key, k.day_no
),
stretches AS (
    SELECT a.day_no, least(a.day_no + 28, coalesce(lead(a.day_no) OVER (PARTITION BY a.user_key ORDER BY a.day_no),
        a.day_no + 28)) AS until_no
    FROM active AS a
),
moves AS (
    SELECT s.day_no, 1 AS change, 1 AS daily FROM stretches AS s
    UNION ALL
    SELECT s.until_no AS day_no, -1 AS change, 0 AS daily FROM stretches AS s
),
per_day AS (
    SELECT m.day_no, CAST(sum(m.change) AS BIGINT) AS change, CAST(sum(m.daily) AS BIGINT) AS daily
    FROM moves AS m
    GROUP BY m.day_no
),
span AS (
    SELECT min(a.day_no) AS first_no FROM active AS a
)
SELECT
    CAST(k.day AS DATE) AS activity_date, -- the local day
    CAST(coalesce(p.daily, 0) AS BIGINT) AS active_users, -- people active on the day (DAU)
    CAST(sum(coalesce(p.change, 0)) OVER (ORDER BY k.day_no ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT)
        AS active_users_28d -- people active in the 28 days up to it (MAU)
FROM config.calendar AS k
CROSS JOIN config.clock AS c
JOIN span AS s ON k.day_no >= s.first_no
LEFT JOIN per_day AS p ON p.day_no = k.day_no
WHERE k.ends_at <= c.as_of
