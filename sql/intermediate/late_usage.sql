/*
description: What use that became known after its day adds to the days of a trial on which it is visible
grain: one row per trial and trial day that late use touches
key: [trial_id, trial_day]
not_null: [account_key]
incremental: [account_key]
determines: {trial_id: account_key}
*/
-- Three kinds of measure, three ways to be exact: unbounded ones put the row on the day it became known; sliding windows spread it
-- over the days on which it is known AND inside the window; streaks see a hole on the days before it was known and, on the day it
-- became known, the run it completes around itself.
WITH late AS (
  SELECT a.trial_id, a.account_key, a.trial_day, a.known_day, a.value_events, a.capped_events, a.feature_mask
  FROM intermediate.trial_activity AS a
  WHERE a.known_day > a.trial_day
),

active AS (
  SELECT a.trial_id, a.account_key, a.trial_day, min(a.known_day) AS known_day
  FROM intermediate.trial_activity AS a
  WHERE a.value_events > 0
  GROUP BY a.trial_id, a.account_key, a.trial_day
),

late_active AS (
  SELECT a.trial_id, a.account_key, a.trial_day, a.known_day, t.days_kept, CASE WHEN c.is_business_day THEN c.business_no ELSE 0 END AS business_no
  FROM active AS a
  JOIN intermediate.trial_dates AS t ON t.trial_id = a.trial_id AND t.account_key = a.account_key
  JOIN intermediate.usage_calendar AS c ON c.day_no = t.start_no + a.trial_day - 1
  WHERE a.known_day > a.trial_day
),

arrivals AS (
  SELECT DISTINCT trial_id, account_key, known_day FROM late_active
),

-- the days not active as known on the day something late arrived
holes AS (
  SELECT x.trial_id, x.account_key, x.known_day, n.n AS hole_day
  FROM arrivals AS x
  JOIN config.numbers AS n ON n.n BETWEEN 1 AND x.known_day
  LEFT JOIN active AS y ON y.trial_id = x.trial_id AND y.account_key = x.account_key AND y.trial_day = n.n AND y.known_day <= x.known_day
  WHERE y.trial_day IS NULL
),

-- a trial without any hole has nothing to bridge: its current streak is the whole trial
bridges AS (
  SELECT
    l.trial_id,
    l.account_key,
    l.known_day,
    coalesce(min(CASE WHEN h.hole_day > l.trial_day THEN h.hole_day END), l.known_day + 1)
    - coalesce(max(CASE WHEN h.hole_day < l.trial_day THEN h.hole_day END), 0) - 1 AS run
  FROM late_active AS l
  JOIN holes AS h ON h.trial_id = l.trial_id AND h.account_key = l.account_key AND h.known_day = l.known_day
  GROUP BY l.trial_id, l.account_key, l.trial_day, l.known_day
),

parts AS (
  SELECT
    trial_id, account_key, known_day AS trial_day, feature_mask,
    CASE WHEN value_events > 0 THEN trial_day ELSE 0 END AS last_day,
    CASE WHEN value_events > 0 THEN trial_day END AS first_day,
    value_events, 0 AS value_events_7d, 0 AS capped_events_7d,
    0 AS active_3d, 0 AS active_6d, 0 AS active_7d, 0 AS active_14d, 0 AS active_28d,
    0 AS is_late_active, 0 AS hole_day, 0 AS hole_business_no, 0 AS run
  FROM late
  UNION ALL
  SELECT
    l.trial_id, l.account_key, n.n, 0, 0, NULL, 0, l.value_events, l.capped_events, 0, 0, 0, 0, 0, 0, 0, 0, 0
  FROM late AS l
  JOIN config.numbers AS n ON n.n BETWEEN l.known_day AND l.trial_day + 6
  WHERE l.value_events > 0
  UNION ALL
  SELECT
    l.trial_id, l.account_key, n.n, 0, 0, NULL, 0, 0, 0,
    CASE WHEN n.n BETWEEN l.known_day AND l.trial_day + 2 THEN 1 ELSE 0 END,
    CASE WHEN n.n BETWEEN l.known_day AND l.trial_day + 5 THEN 1 ELSE 0 END,
    CASE WHEN n.n BETWEEN l.known_day AND l.trial_day + 6 THEN 1 ELSE 0 END,
    CASE WHEN n.n BETWEEN l.known_day AND l.trial_day + 13 THEN 1 ELSE 0 END,
    CASE WHEN n.n BETWEEN l.known_day AND l.trial_day + 27 THEN 1 ELSE 0 END,
    CASE WHEN n.n = l.trial_day THEN 1 ELSE 0 END,
    CASE WHEN n.n < l.known_day THEN l.trial_day ELSE 0 END,
    CASE WHEN n.n < l.known_day THEN l.business_no ELSE 0 END,
    0
  FROM late_active AS l
  JOIN config.numbers AS n ON n.n BETWEEN l.trial_day AND greatest(l.known_day, l.trial_day + 27) AND n.n <= l.days_kept
  UNION ALL
  SELECT trial_id, account_key, known_day, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, run
  FROM bridges
)

SELECT
  CAST(p.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(p.account_key AS INTEGER) AS account_key, -- canonical account
  CAST(p.trial_day AS INTEGER) AS trial_day, -- trial day whose row is corrected
  CAST(bit_or(p.feature_mask) AS BIGINT) AS feature_mask, -- features of use that became known on this day
  CAST(max(p.last_day) AS INTEGER) AS last_day, -- last active day that became known on this day, 0 for none
  CAST(min(p.first_day) AS INTEGER) AS first_day, -- first active day that became known on this day, NULL for none
  CAST(sum(p.value_events) AS INTEGER) AS value_events, -- value events that became known on this day
  CAST(sum(p.value_events_7d) AS INTEGER) AS value_events_7d, -- late value events visible in the window of 7 days
  CAST(sum(p.capped_events_7d) AS INTEGER) AS capped_events_7d, -- the same under the cap per user and day
  CAST(sum(p.active_3d) AS INTEGER) AS active_3d, -- late active days visible in the window of 3 days
  CAST(sum(p.active_6d) AS INTEGER) AS active_6d, -- the same for 6 days
  CAST(sum(p.active_7d) AS INTEGER) AS active_7d, -- the same for 7 days
  CAST(sum(p.active_14d) AS INTEGER) AS active_14d, -- the same for 14 days
  CAST(sum(p.active_28d) AS INTEGER) AS active_28d, -- the same for 28 days
  CAST(max(p.is_late_active) AS INTEGER) AS is_late_active, -- 1 when the day itself was active but known later, so that it is no hole for ever
  CAST(max(p.hole_day) AS INTEGER) AS hole_day, -- last day that was active but not yet known on this day
  CAST(max(p.hole_business_no) AS INTEGER) AS hole_business_no, -- the same among business days, by their running number
  CAST(max(p.run) AS INTEGER) AS run -- longest run completed by use that became known on this day
FROM parts AS p
GROUP BY p.trial_id, p.account_key, p.trial_day
