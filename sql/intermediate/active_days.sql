/*
description: People who start to count as active on a day less those who stop, and people active on it.
grain: one row per day on which somebody starts, stops or is active
key: [day_no]
not_null: [change, active_users]
incremental: [day_no]
*/
SELECT
  CAST(m.day_no AS INTEGER) AS day_no, -- reporting day as days since 1970-01-01
  CAST(sum(m.change) AS BIGINT) AS change, -- how many more count as active in the 28 days up to it
  CAST(sum(m.active) AS BIGINT) AS active_users -- people with a value event on the day
FROM intermediate.active_moves AS m
GROUP BY m.day_no
