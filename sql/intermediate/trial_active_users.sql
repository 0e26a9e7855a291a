/*
description: Changes of the number of distinct users active in the last 7 days of a trial
grain: one row per trial and trial day on which the number moves
key: [trial_id, trial_day]
not_null: [account_key, change]
incremental: [account_key]
determines: {trial_id: account_key}
*/
-- Distinct users do not add up over days. A day of use makes its user count on [day known, day of use + 6]; these stretches
-- overlap, so each is cut to what the user's earlier ones leave uncovered, and the cut ones add up.
WITH stretches AS (
  SELECT
    t.trial_id,
    t.account_key,
    u.user_key,
    t.days_kept,
    greatest(b.day_no, coalesce(t.account_known_no, t.start_no), a.day_no) - t.start_no + 1 AS first_day,
    a.day_no - t.start_no + 7 AS last_day
  FROM intermediate.trial_dates AS t
  JOIN intermediate.user_days AS u ON u.account_key = t.account_key AND u.activity_date >= t.start_date
  JOIN config.calendar AS a ON a.day = u.activity_date
  JOIN config.calendar AS b ON b.day = u.known_date
  WHERE u.value_events > 0 AND u.user_key <> 0
),

uncovered AS (
  SELECT
    trial_id,
    account_key,
    days_kept,
    last_day,
    greatest(first_day, coalesce(max(last_day) OVER (
      PARTITION BY trial_id, account_key, user_key ORDER BY first_day, last_day
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) + 1) AS first_day
  FROM stretches
  WHERE first_day <= last_day AND first_day <= days_kept
),

changes AS (
  SELECT trial_id, account_key, first_day AS trial_day, 1 AS change
  FROM uncovered
  WHERE first_day <= last_day AND first_day <= days_kept
  UNION ALL
  SELECT trial_id, account_key, last_day + 1 AS trial_day, -1 AS change
  FROM uncovered
  WHERE first_day <= last_day AND last_day + 1 <= days_kept
)

SELECT
  CAST(trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(account_key AS INTEGER) AS account_key, -- canonical account
  CAST(trial_day AS INTEGER) AS trial_day, -- day from which the change holds
  CAST(sum(change) AS INTEGER) AS change -- users that start to count less users that stop
FROM changes
GROUP BY trial_id, account_key, trial_day
