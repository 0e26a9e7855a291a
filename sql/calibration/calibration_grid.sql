/*
description: >
  The next version of the percentile grid: nearest-rank percentiles of cumulative value events by trial day and card type among first
  trials of the year before the day it becomes valid. Run by the calibration step; rows are appended, never changed.
grain: one row per trial day and card type with at least 30 trials
key: [version, trial_day, card_type]
*/
WITH days AS (
  SELECT d.trial_id, d.trial_day, d.card_type, d.value_events_total
  FROM intermediate.trial_days AS d
  WHERE d.is_complete AND d.card_type IS NOT NULL
    AND d.kind = 'trial' AND d.is_first_trial AND NOT d.is_add_on AND d.undesirable_reason IS NULL
    AND d.activity_date < CAST($valid_from AS DATE) AND d.activity_date >= CAST($valid_from AS DATE) - INTERVAL 365 DAY
),

ranked AS (
  SELECT
    d.trial_day, d.card_type, d.value_events_total,
    row_number() OVER (PARTITION BY d.trial_day, d.card_type ORDER BY d.value_events_total, d.trial_id) AS place,
    count(*) OVER (PARTITION BY d.trial_day, d.card_type) AS trials
  FROM days AS d
)

-- nearest rank: the value at the least place that is no less than p % of all
SELECT
  CAST($version AS INTEGER) AS version, -- number of the version
  CAST(r.trial_day AS INTEGER) AS trial_day, -- day of the trial
  CAST(r.card_type AS VARCHAR) AS card_type, -- card_required, cardless or unknown
  CAST(max(r.trials) AS INTEGER) AS trials, -- trials the row rests on
  CAST(min(CASE WHEN 100 * r.place >= 5 * r.trials THEN r.value_events_total END) AS INTEGER) AS p05, -- 5th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 10 * r.trials THEN r.value_events_total END) AS INTEGER) AS p10, -- 10th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 15 * r.trials THEN r.value_events_total END) AS INTEGER) AS p15, -- 15th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 20 * r.trials THEN r.value_events_total END) AS INTEGER) AS p20, -- 20th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 25 * r.trials THEN r.value_events_total END) AS INTEGER) AS p25, -- 25th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 30 * r.trials THEN r.value_events_total END) AS INTEGER) AS p30, -- 30th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 35 * r.trials THEN r.value_events_total END) AS INTEGER) AS p35, -- 35th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 40 * r.trials THEN r.value_events_total END) AS INTEGER) AS p40, -- 40th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 45 * r.trials THEN r.value_events_total END) AS INTEGER) AS p45, -- 45th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 50 * r.trials THEN r.value_events_total END) AS INTEGER) AS p50, -- 50th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 55 * r.trials THEN r.value_events_total END) AS INTEGER) AS p55, -- 55th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 60 * r.trials THEN r.value_events_total END) AS INTEGER) AS p60, -- 60th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 65 * r.trials THEN r.value_events_total END) AS INTEGER) AS p65, -- 65th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 70 * r.trials THEN r.value_events_total END) AS INTEGER) AS p70, -- 70th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 75 * r.trials THEN r.value_events_total END) AS INTEGER) AS p75, -- 75th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 80 * r.trials THEN r.value_events_total END) AS INTEGER) AS p80, -- 80th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 85 * r.trials THEN r.value_events_total END) AS INTEGER) AS p85, -- 85th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 90 * r.trials THEN r.value_events_total END) AS INTEGER) AS p90, -- 90th percentile of cumulative value events
  CAST(min(CASE WHEN 100 * r.place >= 95 * r.trials THEN r.value_events_total END) AS INTEGER) AS p95 -- 95th percentile of cumulative value events
FROM ranked AS r
WHERE r.trials >= 30
GROUP BY r.trial_day, r.card_type
