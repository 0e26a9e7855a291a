/*
description: The days of every trial in the reporting zone, up to the last one with a row in trial_days.
grain: one row per trial
key: [trial_id]
not_null: [trial_id, account_key, start_date, start_no, known_no, account_known_no, last_no, days_kept]
incremental: [trial_id]
*/
WITH instant_days AS (  -- the reporting days each UTC date touches: an equality for the join, or it would compare every day
  SELECT CAST(starts_at AS DATE) AS utc_date, day, day_no, starts_at, ends_at FROM config.calendar
  UNION
  SELECT CAST(ends_at AS DATE), day, day_no, starts_at, ends_at FROM config.calendar
),
instants AS (
  SELECT t.trial_id, t.account_key, t.kind, t.started_at, t.original_ends_at, t.ends_at, t.known_at, t.account_known_at, p.converted_at, p.converted_known_at, g.horizon_days, g.freemium_days
  FROM intermediate.trial_bases AS t
  CROSS JOIN config.parameters AS g
  INNER JOIN intermediate.trial_payments AS p ON p.trial_id = t.trial_id
),
days AS (
  SELECT f.trial_id, f.account_key, f.kind, f.horizon_days, f.freemium_days, b.day AS start_date, b.day_no AS start_no, e.day AS end_date, e.day_no AS end_no, i.day_no AS original_end_no, v.day_no AS converted_no,
    greatest(v.day_no, w.day_no) AS converted_known_no, greatest(b.day_no, coalesce(y.day_no, b.day_no)) AS known_no, greatest(b.day_no, coalesce(z.day_no, b.day_no)) AS account_known_no
  FROM instants AS f
  INNER JOIN instant_days AS b ON b.utc_date = CAST(f.started_at AS DATE) AND f.started_at >= b.starts_at AND f.started_at < b.ends_at
  LEFT JOIN instant_days AS e ON e.utc_date = CAST(f.ends_at AS DATE) AND f.ends_at >= e.starts_at AND f.ends_at < e.ends_at
  LEFT JOIN instant_days AS i ON i.utc_date = CAST(f.original_ends_at AS DATE) AND f.original_ends_at >= i.starts_at AND f.original_ends_at < i.ends_at
  LEFT JOIN instant_days AS v ON v.utc_date = CAST(f.converted_at AS DATE) AND f.converted_at >= v.starts_at AND f.converted_at < v.ends_at
  LEFT JOIN instant_days AS w ON w.utc_date = CAST(f.converted_known_at AS DATE) AND f.converted_known_at >= w.starts_at AND f.converted_known_at < w.ends_at
  LEFT JOIN instant_days AS y ON y.utc_date = CAST(f.known_at AS DATE) AND f.known_at >= y.starts_at AND f.known_at < y.ends_at
  LEFT JOIN instant_days AS z ON z.utc_date = CAST(f.account_known_at AS DATE) AND f.account_known_at >= z.starts_at AND f.account_known_at < z.ends_at
),
lasting AS (  -- a payment that was known while the rows still ran moves the last one, once
  SELECT *, CASE WHEN kind = 'freemium' THEN start_no + freemium_days
    WHEN converted_no > end_no AND converted_known_no <= end_no + horizon_days THEN converted_no + horizon_days
    ELSE end_no + horizon_days END AS last_no
  FROM days
)
SELECT
  CAST(trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(account_key AS INTEGER) AS account_key, -- account, merges followed
  CAST(start_date AS DATE) AS start_date, -- day of its first instant, trial day 1
  CAST(start_no AS INTEGER) AS start_no, -- that day as days since 1970-01-01
  CAST(end_date AS DATE) AS end_date, -- day of its end as planned last; NULL for freemium
  CAST(end_no AS INTEGER) AS end_no, -- that day as days since 1970-01-01
  CAST(original_end_no AS INTEGER) AS original_end_no, -- day of its end as first planned
  CAST(converted_known_no AS INTEGER) AS converted_known_no, -- day on which its first payment was known
  CAST(known_no AS INTEGER) AS known_no, -- day on which the trial was known, never before the start
  CAST(account_known_no AS INTEGER) AS account_known_no, -- day on which its account was known, never before the start
  CAST(last_no AS INTEGER) AS last_no, -- last day with a row in trial_days
  CAST(last_no - start_no + 1 AS INTEGER) AS days_kept -- rows it will have there in the end
FROM lasting
