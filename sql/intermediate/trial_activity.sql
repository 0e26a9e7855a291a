/*
description: Use of a trial by the day it happened and the day it became known, both counted in trial days
grain: one row per trial, day of use and day known
key: [trial_id, trial_day, known_day]
not_null: [account_key, value_events, capped_events, feature_mask]
incremental: [account_key]
determines: {trial_id: account_key}
*/
-- Known means the event AND the trial's account: use counts for a trial from the day both were known.
WITH placed AS (
  SELECT
    t.trial_id,
    t.account_key,
    t.days_kept,
    a.day_no - t.start_no + 1 AS trial_day,
    greatest(b.day_no, coalesce(t.account_known_no, t.start_no), a.day_no) - t.start_no + 1 AS known_day,
    u.value_events,
    u.capped_events,
    u.feature_mask
  FROM intermediate.trial_dates AS t
  JOIN intermediate.user_days AS u ON u.account_key = t.account_key AND u.activity_date >= t.start_date
  JOIN config.calendar AS a ON a.day = u.activity_date
  JOIN config.calendar AS b ON b.day = u.known_date
  WHERE u.value_events > 0 OR u.feature_mask <> 0
)

SELECT
  CAST(p.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(p.account_key AS INTEGER) AS account_key, -- canonical account
  CAST(p.trial_day AS INTEGER) AS trial_day, -- day of the use, 1 = calendar day of the trial's start
  CAST(p.known_day AS INTEGER) AS known_day, -- trial day on which it became known, never before trial_day
  CAST(sum(p.value_events) AS INTEGER) AS value_events, -- value events, 0 when only a feature outside the value list was used
  CAST(sum(p.capped_events) AS INTEGER) AS capped_events, -- value events under the cap per user and day
  CAST(bit_or(p.feature_mask) AS BIGINT) AS feature_mask -- union of the features used
FROM placed AS p
WHERE p.known_day <= p.days_kept
GROUP BY p.trial_id, p.account_key, p.trial_day, p.known_day
