/*
description: Calendar days with the running number of business days and the calibration valid on them
grain: one row per calendar day
key: [day_no]
not_null: [day, business_no, benchmark_events_per_day]
*/
WITH valid AS (
  SELECT c.day_no, max(v.version) AS version
  FROM config.calendar AS c
  JOIN config.calibration AS v ON v.valid_from <= c.day
  GROUP BY c.day_no
)

SELECT
  CAST(c.day AS DATE) AS day, -- reporting day
  CAST(c.day_no AS INTEGER) AS day_no, -- days since 1970-01-01
  CAST(c.is_business_day AS BOOLEAN) AS is_business_day, -- Monday to Friday unless configured otherwise
  CAST(sum(CASE WHEN c.is_business_day THEN 1 ELSE 0 END) OVER (
    ORDER BY c.day_no ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS INTEGER) AS business_no, -- business days up to and including this one
  CAST(v.version AS INTEGER) AS calibration_version, -- newest calibration valid on the day, NULL when none is
  CAST(coalesce(b.benchmark_events_per_day, p.benchmark_events_per_day) AS INTEGER) AS benchmark_events_per_day -- events of a full active day, for the depth of use
FROM config.calendar AS c
CROSS JOIN config.parameters AS p
LEFT JOIN valid AS v ON v.day_no = c.day_no
LEFT JOIN config.calibration AS b ON b.version = v.version
