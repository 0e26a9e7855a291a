/*
description: >-
  When a person starts and stops to count as active: from a day of use on, up to the day before the next one and for 28 days at most, so that
  the moves of all people add up to the people active in the 28 days up to a day.
grain: one row per person and day
key: [user_key, day_no]
not_null: [change, active]
incremental: [user_key]
*/
WITH active AS (
  SELECT u.user_key, k.day_no
  FROM intermediate.user_days AS u
  JOIN config.calendar AS k ON k.day = u.activity_date
  WHERE u.value_events > 0 AND u.user_key <> 0
  GROUP BY u.user_key, k.day_no
),

stretches AS (
  SELECT a.user_key, a.day_no, least(a.day_no + 28, coalesce(lead(a.day_no) OVER (PARTITION BY a.user_key ORDER BY a.day_no), a.day_no + 28)) AS until_no
  FROM active AS a
),

moves AS (
  SELECT s.user_key, s.day_no, 1 AS change, 1 AS active FROM stretches AS s
  UNION ALL
  SELECT s.user_key, s.until_no AS day_no, -1 AS change, 0 AS active FROM stretches AS s
)

SELECT
  CAST(m.user_key AS INTEGER) AS user_key, -- person
  CAST(m.day_no AS INTEGER) AS day_no, -- reporting day as days since 1970-01-01
  CAST(sum(m.change) AS INTEGER) AS change, -- 1 starts to count, -1 stops, 0 goes on
  CAST(max(m.active) AS INTEGER) AS active -- 1 when the day itself has a value event
FROM moves AS m
GROUP BY m.user_key, m.day_no
