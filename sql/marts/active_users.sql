/*
description: >-
  People with a value event on each completed day and in the 28 days up to it.
grain: one row per completed day since the first event
key: [activity_date]
not_null: [active_users, active_users_28d]
*/
WITH span AS (
    SELECT min(a.day_no) AS first_no FROM intermediate.active_days AS a WHERE a.active_users > 0
)
SELECT
    CAST(k.day AS DATE) AS activity_date, -- the local day
    CAST(coalesce(p.active_users, 0) AS BIGINT) AS active_users, -- people active on the day (DAU)
    CAST(sum(coalesce(p.change, 0)) OVER (ORDER BY k.day_no ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT)
        AS active_users_28d -- people active in the 28 days up to it (MAU)
FROM config.calendar AS k
CROSS JOIN config.clock AS c
JOIN span AS s ON k.day_no >= s.first_no
LEFT JOIN intermediate.active_days AS p ON p.day_no = k.day_no
WHERE k.ends_at <= c.as_of
