/*
description: The user of a trial with the most value events since its start, from the day that was known
grain: one row per trial and first trial day on which the user leads
key: [trial_id, k_from]
not_null: [account_key, k_to, user_id]
incremental: [account_key]
determines: {trial_id: account_key}
*/
WITH arrivals AS (
  SELECT
    t.trial_id,
    t.account_key,
    t.n_days,
    x.user_id,
    u.user_key,
    greatest(b.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1 AS known_day,
    CAST(sum(u.value_events) AS INTEGER) AS value_events
  FROM intermediate.trials AS t
  JOIN intermediate.user_days AS u ON u.account_key = t.account_key AND u.activity_date >= t.start_date
  JOIN config.calendar AS b ON b.day = u.known_date
  JOIN intermediate.users AS x ON x.user_key = u.user_key
  WHERE u.value_events > 0
  GROUP BY t.trial_id, t.account_key, t.n_days, x.user_id, u.user_key, greatest(b.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1
),

totals AS (
  SELECT
    a.trial_id, a.account_key, a.n_days, a.user_id, a.known_day,
    CAST(sum(a.value_events) OVER (PARTITION BY a.trial_id, a.user_key ORDER BY a.known_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS total,
    -- the rank among all users of the trial only orders ties, so that later users cannot change an earlier lead
    CAST(dense_rank() OVER (PARTITION BY a.trial_id ORDER BY a.user_id) AS BIGINT) AS place
  FROM arrivals AS a
  WHERE a.known_day <= a.n_days
),

-- totals only grow, so the greatest total up to a day is the leader's; the low part breaks ties towards the least user_id
days AS (
  SELECT trial_id, account_key, n_days, known_day, max(total * 1048576 + 1048575 - place) AS best
  FROM totals
  GROUP BY trial_id, account_key, n_days, known_day
),

leads AS (
  SELECT
    trial_id, account_key, n_days, known_day,
    1048575 - max(best) OVER (PARTITION BY trial_id ORDER BY known_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) % 1048576 AS place
  FROM days
),

changes AS (
  SELECT
    trial_id, account_key, n_days, known_day, place,
    lag(place) OVER (PARTITION BY trial_id ORDER BY known_day) AS place_before
  FROM leads
),

places AS (
  SELECT trial_id, account_key, place, user_id FROM totals GROUP BY trial_id, account_key, place, user_id
)

SELECT
  CAST(c.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(c.account_key AS INTEGER) AS account_key, -- canonical account
  CAST(c.known_day AS INTEGER) AS k_from, -- first trial day on which the user leads
  CAST(coalesce(lead(c.known_day) OVER (PARTITION BY c.trial_id ORDER BY c.known_day) - 1, c.n_days) AS INTEGER) AS k_to, -- last one
  CAST(u.user_id AS VARCHAR) AS user_id -- the user, the least id among equals
FROM changes AS c
JOIN places AS u ON u.trial_id = c.trial_id AND u.account_key = c.account_key AND u.place = c.place
WHERE c.place_before IS NULL OR c.place_before <> c.place
