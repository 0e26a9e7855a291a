/*
description: The dense days of every trial with all windows over its use, each row from what was known at its end; today's row repeats yesterday's windows
grain: one row per trial and day from its start
key: [trial_id, trial_day]
not_null: [account_key, activity_date, is_complete, days_available, current_streak_days]
incremental: [trial_id]
at_once: 20000
*/
WITH dense AS (
  SELECT
    t.trial_id, t.account_key, n.n AS trial_day, c.day, c.business_no, c.is_business_day, c.benchmark_events_per_day AS benchmark, n.n <= t.complete_days AS is_complete,
    -- the business days before the trial belong to no streak
    CASE WHEN n.n = 1 THEN c.business_no - CASE WHEN c.is_business_day THEN 1 ELSE 0 END ELSE 0 END AS before_no,
    CASE WHEN a.value_events > 0 THEN 1 ELSE 0 END AS on_time,
    coalesce(a.value_events, 0) AS value_events, coalesce(a.value_events, 0) + coalesce(l.value_events, 0) AS arrived_events, coalesce(a.capped_events, 0) AS capped_events,
    coalesce(a.feature_mask, 0) | coalesce(l.feature_mask, 0) AS feature_mask,
    CASE WHEN a.value_events > 0 THEN n.n ELSE coalesce(l.last_day, 0) END AS last_day,
    CASE WHEN l.first_day IS NOT NULL THEN l.first_day WHEN a.value_events > 0 THEN n.n END AS first_day,
    CASE WHEN coalesce(a.value_events, 0) > 0 OR coalesce(l.is_late_active, 0) = 1 THEN 0 ELSE n.n END AS never_day,
    CASE WHEN coalesce(a.value_events, 0) > 0 OR coalesce(l.is_late_active, 0) = 1 OR NOT c.is_business_day THEN 0 ELSE c.business_no END AS never_business_no,
    coalesce(l.value_events_7d, 0) AS late_events_7d, coalesce(l.capped_events_7d, 0) AS late_capped_7d,
    coalesce(l.active_3d, 0) AS late_3d, coalesce(l.active_6d, 0) AS late_6d, coalesce(l.active_7d, 0) AS late_7d, coalesce(l.active_14d, 0) AS late_14d, coalesce(l.active_28d, 0) AS late_28d,
    coalesce(l.hole_day, 0) AS hole_day, coalesce(l.hole_business_no, 0) AS hole_business_no, coalesce(l.run, 0) AS run, coalesce(u.change, 0) AS users_change
  FROM intermediate.trials AS t
  JOIN config.numbers AS n ON n.n BETWEEN 1 AND t.n_days
  JOIN intermediate.usage_calendar AS c ON c.day_no = t.start_no + n.n - 1
  LEFT JOIN intermediate.trial_activity AS a ON a.trial_id = t.trial_id AND a.trial_day = n.n AND a.known_day = n.n
  LEFT JOIN intermediate.late_usage AS l ON l.trial_id = t.trial_id AND l.trial_day = n.n
  LEFT JOIN intermediate.trial_active_users AS u ON u.trial_id = t.trial_id AND u.trial_day = n.n
),

windows AS (
  SELECT
    trial_id, account_key, trial_day, day, is_complete, business_no, is_business_day, benchmark, hole_day, hole_business_no, run, on_time,
    CAST(sum(on_time) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS INTEGER) + late_3d AS active_3d,
    CAST(sum(on_time) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN 5 PRECEDING AND CURRENT ROW) AS INTEGER) + late_6d AS active_6d,
    CAST(sum(on_time) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS INTEGER) + late_7d AS active_7d,
    CAST(sum(on_time) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS INTEGER) + late_14d AS active_14d,
    CAST(sum(on_time) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN 27 PRECEDING AND CURRENT ROW) AS INTEGER) + late_28d AS active_28d,
    CAST(sum(value_events) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS INTEGER) + late_events_7d AS value_events_7d,
    CAST(sum(capped_events) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS INTEGER) + late_capped_7d AS capped_events_7d,
    CAST(sum(arrived_events) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS value_events_total,
    CAST(sum(users_change) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS active_users_7d,
    bit_or(feature_mask) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS mask_so_far,
    max(last_day) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS last_day,
    min(first_day) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS first_day,
    max(never_day) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS never_day,
    max(greatest(never_business_no, before_no)) OVER (PARTITION BY trial_id ORDER BY trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS never_business_no
  FROM dense
),

-- the bits of a mask by pairs, nibbles and bytes: engines disagree on bit_count; 256 % 255 = 1, so that % 255 adds up the bytes
pairs AS (
  SELECT w.*, w.mask_so_far - ((w.mask_so_far >> 1) & 6148914691236517205) AS bits FROM windows AS w
),

nibbles AS (
  SELECT p.*, (p.bits & 3689348814741910323) + ((p.bits >> 2) & 3689348814741910323) AS nibble FROM pairs AS p
),

counted AS (
  SELECT n.*, CAST(((n.nibble + (n.nibble >> 4)) & 1085102592571150095) % 255 AS INTEGER) AS features_used FROM nibbles AS n
),

terms AS (
  -- integer division by floor, exact whichever division the engine has: (x - x % y) / y
  SELECT
    w.*,
    w.trial_day - greatest(w.never_day, w.hole_day) AS streak,
    w.business_no - greatest(w.never_business_no, w.hole_business_no) AS business_streak,
    5000 * w.active_7d AS frequency_x,
    least(7, w.trial_day) AS frequency_y,
    3000 * least(w.capped_events_7d, w.benchmark * w.active_7d) AS depth_x,
    greatest(1, w.benchmark * w.active_7d) AS depth_y,
    2000 * w.features_used AS breadth_x,
    greatest(1, p.features_total) AS breadth_y
  FROM counted AS w
  CROSS JOIN config.parameters AS p
),

intensity AS (
  SELECT
    t.*,
    CAST((frequency_x - frequency_x % frequency_y) / frequency_y AS INTEGER) AS frequency,
    CAST((depth_x - depth_x % depth_y) / depth_y AS INTEGER) AS depth,
    CAST((breadth_x - breadth_x % breadth_y) / breadth_y AS INTEGER) AS breadth
  FROM terms AS t
),

measured AS (
  SELECT
    i.*,
    max(greatest(i.run, i.streak)) OVER (PARTITION BY i.trial_id ORDER BY i.trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS longest,
    max(i.frequency + i.depth + i.breadth) OVER (PARTITION BY i.trial_id ORDER BY i.trial_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS peak
  FROM intensity AS i
),

days AS (
  SELECT
    m.trial_id, m.account_key, m.trial_day, m.day, m.is_complete, m.on_time, m.trial_day AS days_available,
    m.active_3d, m.active_6d, m.active_7d, m.active_14d, m.active_28d,
    m.value_events_7d, m.capped_events_7d, m.value_events_total, m.active_users_7d, m.features_used, m.last_day, m.first_day,
    m.streak, m.longest, m.business_streak, m.frequency, m.depth, m.breadth, m.peak
  FROM measured AS m
  WHERE m.is_complete
  UNION ALL
  -- today is not over: it repeats yesterday and adds its own activity to the streaks alone
  SELECT
    m.trial_id, m.account_key, m.trial_day, m.day, m.is_complete, m.on_time, m.trial_day - 1,
    coalesce(p.active_3d, 0), coalesce(p.active_6d, 0), coalesce(p.active_7d, 0), coalesce(p.active_14d, 0), coalesce(p.active_28d, 0),
    coalesce(p.value_events_7d, 0), coalesce(p.capped_events_7d, 0), coalesce(p.value_events_total, 0), coalesce(p.active_users_7d, 0), coalesce(p.features_used, 0),
    coalesce(p.last_day, 0), p.first_day,
    coalesce(p.streak, 0) + m.on_time,
    greatest(coalesce(p.longest, 0), coalesce(p.streak, 0) + m.on_time),
    coalesce(p.business_streak, 0) + CASE WHEN m.is_business_day THEN m.on_time ELSE 0 END,
    coalesce(p.frequency, 0), coalesce(p.depth, 0), coalesce(p.breadth, 0), coalesce(p.peak, 0)
  FROM measured AS m
  LEFT JOIN measured AS p ON p.trial_id = m.trial_id AND p.trial_day = m.trial_day - 1
  WHERE NOT m.is_complete
)

SELECT
  CAST(d.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(d.account_key AS INTEGER) AS account_key, -- canonical account
  CAST(d.trial_day AS INTEGER) AS trial_day, -- 1 = calendar day of the trial's start
  CAST(d.day AS DATE) AS activity_date, -- reporting day
  CAST(d.is_complete AS BOOLEAN) AS is_complete, -- whether the day was over at as_of
  CAST(d.on_time AS INTEGER) AS active_today, -- 1 when the day had a value event known by its end, or by as_of
  CAST(d.days_available AS INTEGER) AS days_available, -- completed days of the trial
  CAST(d.active_3d AS INTEGER) AS active_days_3d, -- active days of the last 3
  CAST(d.active_6d AS INTEGER) AS active_days_6d, -- active days of the last 6
  CAST(d.active_7d AS INTEGER) AS active_days_7d, -- active days of the last 7
  CAST(d.active_14d AS INTEGER) AS active_days_14d, -- active days of the last 14
  CAST(d.active_28d AS INTEGER) AS active_days_28d, -- active days of the last 28
  CAST(d.value_events_7d AS INTEGER) AS value_events_7d, -- value events of the last 7 days
  CAST(d.capped_events_7d AS INTEGER) AS capped_events_7d, -- the same under the cap per user and day
  CAST(d.value_events_total AS INTEGER) AS value_events_total, -- value events since the start
  CAST(d.active_users_7d AS INTEGER) AS active_users_7d, -- distinct users active in the last 7 days
  CAST(d.features_used AS INTEGER) AS features_used, -- distinct features used since the start
  CAST(d.last_day AS INTEGER) AS last_active_day, -- last active trial day, 0 for none
  CAST(d.first_day AS INTEGER) AS first_active_day, -- first active trial day, NULL for none
  CAST(d.streak AS INTEGER) AS current_streak_days, -- consecutive active days up to this one; today not over breaks nothing
  CAST(d.longest AS INTEGER) AS longest_streak_days, -- longest run of active days so far
  CAST(d.business_streak AS INTEGER) AS business_streak_days, -- consecutive active business days, weekends neither break nor add
  CAST(d.frequency AS INTEGER) AS intensity_frequency, -- share of active days, at most 5000 hundredths
  CAST(d.depth AS INTEGER) AS intensity_depth, -- capped events per active day against the benchmark, at most 3000 hundredths
  CAST(d.breadth AS INTEGER) AS intensity_breadth, -- share of the features used, at most 2000 hundredths
  CAST(d.peak AS INTEGER) AS peak_intensity_hundredths -- highest index of any day so far
FROM days AS d
