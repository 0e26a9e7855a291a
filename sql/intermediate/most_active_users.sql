/*
description: The user of a trial with the most value events since its start, from the day that was known
grain: one row per trial and first trial day on which the user leads
key: [trial_id, k_from]
not_null: [account_key, k_to, user_id]
incremental: [account_key]
determines: {trial_id: account_key}
*/
WITH used AS (
  SELECT
    t.trial_id, t.account_key, t.days_kept, u.value_events, x.user_id,
    greatest(b.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1 AS known_day,
    dense_rank() OVER (PARTITION BY t.trial_id ORDER BY x.user_id) AS place
  FROM intermediate.trial_dates AS t
  JOIN intermediate.user_days AS u ON u.account_key = t.account_key AND u.activity_date >= t.start_date
  JOIN config.calendar AS b ON b.day = u.known_date
  JOIN intermediate.users AS x ON x.user_key = u.user_key
  WHERE u.value_events > 0
),

people AS (
  SELECT DISTINCT trial_id, account_key, place, user_id FROM used
),

totals AS (
  SELECT
    u.trial_id, u.account_key, u.days_kept, u.place, u.known_day,
    CAST(sum(u.value_events) OVER (PARTITION BY u.trial_id, u.place ORDER BY u.known_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS total
  FROM used AS u
),

-- totals only grow, so the greatest total up to a day is the leader's; the low part breaks ties towards the least user_id
days AS (
  SELECT trial_id, account_key, days_kept, known_day, max(total * 4294967296 + 4294967295 - place) AS best
  FROM totals
  WHERE known_day <= days_kept
  GROUP BY trial_id, account_key, days_kept, known_day
),

leads AS (
  SELECT
    trial_id, account_key, days_kept, known_day,
    4294967295 - max(best) OVER (PARTITION BY trial_id ORDER BY known_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) % 4294967296 AS place
  FROM days
),

changes AS (
  SELECT
    trial_id, account_key, days_kept, known_day, place,
    lag(place) OVER (PARTITION BY trial_id ORDER BY known_day) AS place_before
  FROM leads
)

SELECT
  CAST(c.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(c.account_key AS INTEGER) AS account_key, -- canonical account
  CAST(c.known_day AS INTEGER) AS k_from, -- first trial day on which the user leads
  CAST(coalesce(lead(c.known_day) OVER (PARTITION BY c.trial_id ORDER BY c.known_day) - 1, c.days_kept) AS INTEGER) AS k_to, -- last one
  CAST(x.user_id AS VARCHAR) AS user_id -- the user, the least id among equals
FROM changes AS c
JOIN people AS x ON x.trial_id = c.trial_id AND x.account_key = c.account_key AND x.place = c.place
WHERE c.place_before IS NULL OR c.place_before <> c.place
