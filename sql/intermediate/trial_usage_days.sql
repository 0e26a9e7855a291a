/*
description: Usage intensity of every trial on every day, as known at the day's end; today's row carries yesterday's windows
grain: one row per trial and day from its start
key: [trial_id, trial_day]
not_null: [account_key, activity_date, is_complete, current_streak_days]
accepted: {lifecycle: [new, returning, resurrecting, dormant], usage_band: [none, light, moderate, heavy], peak_usage_band: [none, light, moderate, heavy]}
incremental: [trial_id, trial_day]
materialized: view
*/
WITH measured AS (
  SELECT
    w.trial_id, w.account_key, w.trial_day, w.activity_date, w.is_complete, w.active_today, w.days_available,
    w.active_days_3d, w.active_days_6d, w.active_days_7d, w.active_days_14d, w.active_days_28d,
    w.value_events_7d, w.capped_events_7d, w.value_events_total, w.active_users_7d, w.features_used,
    nullif(w.last_active_day, 0) AS last_active_day, w.first_active_day,
    w.current_streak_days, w.longest_streak_days, w.business_streak_days,
    w.intensity_frequency, w.intensity_depth, w.intensity_breadth, w.peak_intensity_hundredths,
    w.intensity_frequency + w.intensity_depth + w.intensity_breadth AS intensity,
    w.active_days_14d - w.active_days_7d AS previous_7d,
    w.active_days_6d - w.active_days_3d AS previous_3d
  FROM intermediate.usage_windows AS w
)

SELECT
  CAST(m.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(m.account_key AS INTEGER) AS account_key, -- canonical account
  CAST(m.trial_day AS INTEGER) AS trial_day, -- 1 = calendar day of the trial's start
  CAST(m.activity_date AS DATE) AS activity_date, -- reporting day
  CAST(m.is_complete AS BOOLEAN) AS is_complete, -- whether the day was over at as_of
  CAST(m.active_today = 1 AS BOOLEAN) AS active_today, -- whether the day had a value event known by its end, or by as_of
  CAST(m.days_available AS INTEGER) AS days_available, -- completed days of the trial
  CAST(m.active_days_3d AS INTEGER) AS active_days_3d, -- active days among the last 3 completed days
  CAST(m.active_days_7d AS INTEGER) AS active_days_7d, -- active days among the last 7 completed days
  CAST(m.active_days_14d AS INTEGER) AS active_days_14d, -- active days among the last 14 completed days
  CAST(m.active_days_28d AS INTEGER) AS active_days_28d, -- active days among the last 28 completed days
  CAST(CAST(m.active_days_3d AS DOUBLE) / nullif(least(3, m.days_available), 0) AS DOUBLE) AS active_share_3d, -- share of the available days of the last 3, 0 to 1
  CAST(CAST(m.active_days_7d AS DOUBLE) / nullif(least(7, m.days_available), 0) AS DOUBLE) AS active_share_7d, -- share of the available days of the last 7, 0 to 1
  CAST(CAST(m.active_days_14d AS DOUBLE) / nullif(least(14, m.days_available), 0) AS DOUBLE) AS active_share_14d, -- share of the available days of the last 14, 0 to 1
  CAST(CAST(m.active_days_28d AS DOUBLE) / nullif(least(28, m.days_available), 0) AS DOUBLE) AS active_share_28d, -- share of the available days of the last 28, 0 to 1
  CAST(CAST(m.active_days_28d AS DOUBLE) / 28 AS DOUBLE) AS stickiness, -- active days of the last 28 over 28, however young the trial
  CAST(m.value_events_7d AS INTEGER) AS value_events_7d, -- value events of the last 7 completed days
  CAST(m.capped_events_7d AS INTEGER) AS capped_events_7d, -- the same with at most the cap per user and day
  CAST(m.value_events_total AS INTEGER) AS value_events_total, -- value events since the start of the trial
  CAST(CAST(m.capped_events_7d AS DOUBLE) / nullif(m.active_days_7d, 0) AS DOUBLE) AS events_per_active_day, -- capped value events per active day of the last 7, NULL without one
  CAST(m.active_users_7d AS INTEGER) AS active_users_7d, -- distinct users active in the last 7 completed days
  CAST(m.features_used AS INTEGER) AS features_used, -- distinct features of the catalogue used since the start
  CAST(CAST(m.features_used AS DOUBLE) / nullif(p.features_total, 0) AS DOUBLE) AS breadth_share, -- share of the catalogue, NULL without a catalogue
  CAST(f.day AS DATE) AS first_active_date, -- first active day of the trial, NULL when never used
  CAST(l.day AS DATE) AS last_active_date, -- last active day of the trial by the last completed one, NULL when never used
  CAST(m.days_available - m.last_active_day AS INTEGER) AS recency_days, -- days from the last active day to the last completed one, NULL when never used
  CAST(CASE WHEN m.active_today = 1 THEN 0 ELSE m.days_available - m.last_active_day END AS INTEGER) AS quiet_days, -- completed days without use since the last one, 0 as soon as used today, NULL when never used
  CAST(m.current_streak_days AS INTEGER) AS current_streak_days, -- consecutive active days up to this row; today not over breaks nothing
  CAST(m.longest_streak_days AS INTEGER) AS longest_streak_days, -- longest run of active days so far
  CAST(m.business_streak_days AS INTEGER) AS business_streak_days, -- consecutive active business days; weekends neither break nor add
  CAST(m.current_streak_days >= p.streak_days AS BOOLEAN) AS is_streak_reached, -- whether the current streak has the configured length
  CAST(CASE
    WHEN m.days_available >= 14 THEN round(100 * ln((m.active_days_7d + 1.0) / (m.previous_7d + 1)) / ln(2.0))
    WHEN m.days_available >= 6 THEN round(100 * ln((m.active_days_3d + 1.0) / (m.previous_3d + 1)) / ln(2.0))
  END AS INTEGER) AS trend_hundredths, -- hundredths of log2 of active days + 1 against the window before; 7 days, 3 before day 14, NULL before day 6
  CAST(CASE
    WHEN m.first_active_day IS NULL THEN NULL
    WHEN m.active_days_7d = 0 THEN 'dormant'
    WHEN m.first_active_day > m.days_available - 7 THEN 'new'
    WHEN m.previous_7d > 0 THEN 'returning'
    ELSE 'resurrecting'
  END AS VARCHAR) AS lifecycle, -- last 7 completed days against the 7 before: new, returning, resurrecting, dormant; NULL when never used
  CAST(m.intensity_frequency AS INTEGER) AS intensity_frequency, -- hundredths, at most 5000: active days of the last 7 over the days available
  CAST(m.intensity_depth AS INTEGER) AS intensity_depth, -- hundredths, at most 3000: events per active day over the benchmark
  CAST(m.intensity_breadth AS INTEGER) AS intensity_breadth, -- hundredths, at most 2000: share of the feature catalogue
  CAST(m.intensity AS INTEGER) AS usage_intensity_hundredths, -- the index of 0 to 100 in hundredths, sum of its three parts
  CAST(CASE
    WHEN m.intensity = 0 THEN 'none'
    WHEN m.intensity < 100 * p.band_light THEN 'light'
    WHEN m.intensity < 100 * p.band_moderate THEN 'moderate'
    ELSE 'heavy'
  END AS VARCHAR) AS usage_band, -- none, light, moderate or heavy
  CAST(CASE
    WHEN m.peak_intensity_hundredths = 0 THEN 'none'
    WHEN m.peak_intensity_hundredths < 100 * p.band_light THEN 'light'
    WHEN m.peak_intensity_hundredths < 100 * p.band_moderate THEN 'moderate'
    ELSE 'heavy'
  END AS VARCHAR) AS peak_usage_band -- highest band of any day so far
FROM measured AS m
CROSS JOIN config.parameters AS p
LEFT JOIN intermediate.trial_dates AS t ON t.trial_id = m.trial_id
LEFT JOIN config.calendar AS f ON f.day_no = t.start_no + m.first_active_day - 1
LEFT JOIN config.calendar AS l ON l.day_no = t.start_no + m.last_active_day - 1
