/*
description: >
  The next version of the benchmarks: the 75th percentile of capped events per active day among first trials, from the year before the
  day it becomes valid. Run by the calibration step with the version and the day; the row is appended, never changed.
grain: one row, none when fewer than 30 trials were active
key: [version]
*/
WITH trials AS (
  -- one value per trial, on the last day of its second week that it reached
  SELECT
    d.trial_id,
    d.events_per_active_day,
    row_number() OVER (PARTITION BY d.trial_id ORDER BY d.trial_day DESC) AS latest
  FROM intermediate.trial_days AS d
  WHERE d.is_complete AND d.trial_day BETWEEN 7 AND 14 AND d.events_per_active_day IS NOT NULL
    AND d.kind = 'trial' AND d.is_first_trial AND NOT d.is_add_on AND d.undesirable_reason IS NULL
    AND d.activity_date < CAST($valid_from AS DATE) AND d.activity_date >= CAST($valid_from AS DATE) - INTERVAL 365 DAY
),

ranked AS (
  SELECT
    t.events_per_active_day,
    row_number() OVER (ORDER BY t.events_per_active_day, t.trial_id) AS place,
    count(*) OVER () AS trials
  FROM trials AS t
  WHERE t.latest = 1
)

SELECT
  CAST($version AS INTEGER) AS version, -- number of the version
  CAST($valid_from AS DATE) AS valid_from, -- first day it applies to
  CAST(greatest(1, ceil(r.events_per_active_day)) AS INTEGER) AS benchmark_events_per_day -- events of an active day that count as full depth, rounded up
FROM ranked AS r
-- nearest rank: the least place that is no less than 75 % of all
WHERE r.trials >= 30 AND 100 * r.place >= 75 * r.trials AND 100 * (r.place - 1) < 75 * r.trials
