/*
description: Which segments a trial was in at the end of every day
grain: one row per trial and day
key: [trial_id, trial_day]
not_null: [account_key, activity_date, members]
incremental: [trial_id]
*/
-- The latest day with enter or exit wins, exit wins a tie, NULL is neither: days count double, the odd ones entered.
WITH states AS (
  SELECT
    d.trial_id,
    d.account_key,
    d.trial_day,
    d.activity_date,
    max(CASE WHEN d.each_segment_exit THEN 2 * d.trial_day WHEN d.each_segment_enter THEN 2 * d.trial_day + 1 ELSE 0 END) OVER (
      PARTITION BY d.trial_id ORDER BY d.trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) % 2 * each_segment_bit AS each_segment
  FROM intermediate.trial_days AS d
)

SELECT
  CAST(s.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(s.account_key AS INTEGER) AS account_key, -- canonical account
  CAST(s.trial_day AS INTEGER) AS trial_day, -- day of the trial
  CAST(s.activity_date AS DATE) AS activity_date, -- reporting day
  CAST(s.each_segment + 0 AS BIGINT) AS members -- sum of the bits of the segments the trial is in
FROM states AS s
