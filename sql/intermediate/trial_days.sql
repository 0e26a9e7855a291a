/*
description: The one feature row. Everything segments, scores, lists and models read about a trial on a day, as known at the day's end
grain: one row per trial and day from its start to its horizon
key: [trial_id, trial_day]
not_null: [account_key, account_id, activity_date, is_complete, rule_score_hundredths]
accepted: {lifecycle: [new, returning, resurrecting, dormant], usage_band: [none, light, moderate, heavy], fit_grade: [A, B, C], engagement_grade: ["1", "2", "3"]}
incremental: [trial_id, trial_day]
at_once: 1000000
checks:
  - name: score_parts_add_up
    level: fail
    sql: SELECT trial_id, trial_day FROM intermediate.trial_days WHERE rule_score_hundredths <> fit_score_hundredths + engagement_score_hundredths
*/
WITH features AS (
  SELECT
    u.*,
    o.account_id,
    t.start_no + u.trial_day - 1 AS day_no,
    t.start_no,
    s.kind, s.card_type, s.plan, s.is_first_trial, s.is_add_on, s.card_on_file, s.ends_no, s.cancel_requested,
    s.ends_no - (t.start_no + u.trial_day - 1) AS days_left,
    s.ends_no - t.start_no AS trial_length_days,
    s.ends_no - (t.start_no + s.cancel_day - 1) AS cancel_lead_days,
    CASE WHEN NOT s.cancel_requested THEN FALSE ELSE (s.ends_no - (t.start_no + s.cancel_day - 1)) * 24 BETWEEN 0 AND p.cancelled_before_payment_hours END AS is_late_cancel,
    CASE WHEN t.converted_known_no <= t.start_no + u.trial_day - 1 THEN t.start_no + u.trial_day - 1 - t.converted_known_no END AS days_since_conversion,
    -- max(2, ceil(length / 5)), the length as known on the day; a trial without an end gets the least
    CASE WHEN s.ends_no - t.start_no > 10 THEN (s.ends_no - t.start_no + 4 - (s.ends_no - t.start_no + 4) % 5) / 5 ELSE 2 END AS quiet_after_days,
    x.undesirable_reason,
    coalesce(x.has_company_domain, FALSE) AS has_company_domain,
    b.user_id AS most_active_user,
    coalesce(e.emails_sent, 0) AS emails_sent,
    coalesce(e.emails_opened, 0) AS emails_opened,
    coalesce(e.emails_clicked, 0) AS emails_clicked,
    coalesce(e.emails_replied, 0) AS emails_replied,
    coalesce(e.is_unsubscribed, FALSE) AS is_unsubscribed,
    a.channel,
    a.each_attribute AS each_attribute,
    m.each_milestone_on AS each_milestone_on,
    -- strictly more than the grid's value: a trial without use stands at 0 however many others have none
    CASE
      WHEN u.value_events_total > g.p95 THEN 95 WHEN u.value_events_total > g.p90 THEN 90
      WHEN u.value_events_total > g.p85 THEN 85 WHEN u.value_events_total > g.p80 THEN 80
      WHEN u.value_events_total > g.p75 THEN 75 WHEN u.value_events_total > g.p70 THEN 70
      WHEN u.value_events_total > g.p65 THEN 65 WHEN u.value_events_total > g.p60 THEN 60
      WHEN u.value_events_total > g.p55 THEN 55 WHEN u.value_events_total > g.p50 THEN 50
      WHEN u.value_events_total > g.p45 THEN 45 WHEN u.value_events_total > g.p40 THEN 40
      WHEN u.value_events_total > g.p35 THEN 35 WHEN u.value_events_total > g.p30 THEN 30
      WHEN u.value_events_total > g.p25 THEN 25 WHEN u.value_events_total > g.p20 THEN 20
      WHEN u.value_events_total > g.p15 THEN 15 WHEN u.value_events_total > g.p10 THEN 10
      WHEN u.value_events_total > g.p05 THEN 5 WHEN g.p05 IS NOT NULL THEN 0
    END AS percentile
  FROM intermediate.trial_usage_days AS u
  JOIN intermediate.trial_dates AS t ON t.trial_id = u.trial_id
  JOIN staging.accounts AS o ON o.account_key = u.account_key
  CROSS JOIN config.parameters AS p
  LEFT JOIN intermediate.cancel_steps AS s ON s.trial_id = u.trial_id AND u.trial_day BETWEEN s.k_from AND s.k_to
  LEFT JOIN intermediate.milestone_steps AS m ON m.trial_id = u.trial_id AND u.trial_day BETWEEN m.k_from AND m.k_to
  LEFT JOIN intermediate.attribute_steps AS a ON a.trial_id = u.trial_id AND u.trial_day BETWEEN a.k_from AND a.k_to
  LEFT JOIN intermediate.email_steps AS e ON e.trial_id = u.trial_id AND u.trial_day BETWEEN e.k_from AND e.k_to
  LEFT JOIN intermediate.most_active_users AS b ON b.trial_id = u.trial_id AND u.trial_day BETWEEN b.k_from AND b.k_to
  LEFT JOIN intermediate.account_standing AS x ON x.account_key = u.account_key AND u.activity_date BETWEEN x.known_from AND x.known_to AND t.start_no + u.trial_day > coalesce(t.account_known_no, t.start_no)
  -- the grid of the last completed day: today's use is not over and cannot be compared
  LEFT JOIN intermediate.usage_calendar AS c ON c.day_no = t.start_no + u.days_available - 1
  LEFT JOIN config.calibration_grid AS g ON g.version = c.calibration_version AND g.trial_day = u.days_available AND g.card_type = s.card_type
),

scored AS (
  SELECT f.*, f.each_rule_value AS each_rule_points FROM features AS f
),

capped AS (
  SELECT s.*, least(0, each_group_limit - s.each_group_sum) AS each_group_cap FROM scored AS s
),

summed AS (
  SELECT c.*, c.each_axis_sum AS each_axis_score FROM capped AS c
)

SELECT
  CAST(f.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(f.account_key AS INTEGER) AS account_key, -- canonical account, physical
  CAST(f.account_id AS VARCHAR) AS account_id, -- canonical account
  CAST(f.trial_day AS INTEGER) AS trial_day, -- day of the trial, 1 = calendar day of its start
  CAST(f.activity_date AS DATE) AS activity_date, -- reporting day
  CAST(f.is_complete AS BOOLEAN) AS is_complete, -- whether the day was over at as_of
  CAST(f.kind AS VARCHAR) AS kind, -- trial or freemium
  CAST(f.card_type AS VARCHAR) AS card_type, -- card_required, cardless or unknown, as known then
  CAST(f.card_on_file AS BOOLEAN) AS card_on_file, -- whether a payment method was on file, NULL unknown
  CAST(f.plan AS VARCHAR) AS plan, -- plan as known then
  CAST(f.channel AS VARCHAR) AS channel, -- how the account came
  CAST(f.is_first_trial AS BOOLEAN) AS is_first_trial, -- whether no earlier trial of the account had ended
  CAST(f.is_add_on AS BOOLEAN) AS is_add_on, -- whether the account was paying at the start
  CAST(f.trial_length_days AS INTEGER) AS trial_length_days, -- days from start to end as known then, NULL for freemium
  CAST(f.days_left AS INTEGER) AS days_left, -- days to the end as known then, negative after it, NULL for freemium
  CAST(f.cancel_requested AS BOOLEAN) AS cancel_requested, -- whether a cancel request stood at the day's end, NULL unknown
  CAST(f.cancel_lead_days AS INTEGER) AS cancel_lead_days, -- days from the standing cancel request to the end, NULL without one
  CAST(f.is_late_cancel AS BOOLEAN) AS is_late_cancel, -- whether the standing request was made in the last hours before the first payment, NULL unknown
  CAST(f.days_since_conversion AS INTEGER) AS days_since_conversion, -- days since the payment became known, NULL before; never for scoring
  CAST(f.undesirable_reason AS VARCHAR) AS undesirable_reason, -- internal, competitor, free_mail, title, test_mode, or NULL, as known then
  CAST(f.has_company_domain AS BOOLEAN) AS has_company_domain, -- whether a domain or address of the account that is no free mail was known then
  CAST(f.active_today AS BOOLEAN) AS active_today, -- whether the day had a value event
  CAST(f.days_available AS INTEGER) AS days_available, -- completed days of the trial
  CAST(f.active_days_3d AS INTEGER) AS active_days_3d, -- active days among the last 3 completed
  CAST(f.active_days_7d AS INTEGER) AS active_days_7d, -- active days among the last 7 completed
  CAST(f.active_days_14d AS INTEGER) AS active_days_14d, -- active days among the last 14 completed
  CAST(f.active_days_28d AS INTEGER) AS active_days_28d, -- active days among the last 28 completed
  CAST(f.active_share_3d AS DOUBLE) AS active_share_3d, -- share of the available days of the last 3
  CAST(f.active_share_7d AS DOUBLE) AS active_share_7d, -- share of the available days of the last 7
  CAST(f.active_share_14d AS DOUBLE) AS active_share_14d, -- share of the available days of the last 14
  CAST(f.active_share_28d AS DOUBLE) AS active_share_28d, -- share of the available days of the last 28
  CAST(f.stickiness AS DOUBLE) AS stickiness, -- active days of the last 28 over 28
  CAST(f.value_events_7d AS INTEGER) AS value_events_7d, -- value events of the last 7 completed days
  CAST(f.capped_events_7d AS INTEGER) AS capped_events_7d, -- the same under the cap per user and day
  CAST(f.value_events_total AS INTEGER) AS value_events_total, -- value events since the start
  CAST(f.events_per_active_day AS DOUBLE) AS events_per_active_day, -- capped value events per active day of the last 7
  CAST(f.active_users_7d AS INTEGER) AS active_users_7d, -- distinct users active in the last 7 completed days
  CAST(f.most_active_user AS VARCHAR) AS most_active_user, -- user with the most value events since the start, least id among equals
  CAST(f.features_used AS INTEGER) AS features_used, -- distinct features used since the start
  CAST(f.breadth_share AS DOUBLE) AS breadth_share, -- share of the feature catalogue, NULL without one
  CAST(f.first_active_date AS DATE) AS first_active_date, -- first active day, NULL when never used
  CAST(f.last_active_date AS DATE) AS last_active_date, -- last active day, NULL when never used
  CAST(f.recency_days AS INTEGER) AS recency_days, -- days from the last active day to the last completed one, NULL when never used
  CAST(f.quiet_days AS INTEGER) AS quiet_days, -- completed days without use since the last one, NULL when never used
  CAST(f.quiet_after_days AS INTEGER) AS quiet_after_days, -- completed days without use after which the trial counts as quiet
  CAST(f.current_streak_days AS INTEGER) AS current_streak_days, -- consecutive active days; today not over breaks nothing
  CAST(f.longest_streak_days AS INTEGER) AS longest_streak_days, -- longest run of active days so far
  CAST(f.business_streak_days AS INTEGER) AS business_streak_days, -- consecutive active business days
  CAST(f.is_streak_reached AS BOOLEAN) AS is_streak_reached, -- whether the current streak has the configured length
  CAST(f.trend_hundredths AS INTEGER) AS trend_hundredths, -- hundredths of log2 of use against the window before, NULL before day 6
  CAST(f.lifecycle AS VARCHAR) AS lifecycle, -- new, returning, resurrecting, dormant; NULL when never used
  CAST(f.percentile AS INTEGER) AS percentile, -- share of comparable trials with strictly fewer value events on the same trial day, steps of 5, NULL without a grid
  CAST(f.intensity_frequency AS INTEGER) AS intensity_frequency, -- hundredths, at most 5000
  CAST(f.intensity_depth AS INTEGER) AS intensity_depth, -- hundredths, at most 3000
  CAST(f.intensity_breadth AS INTEGER) AS intensity_breadth, -- hundredths, at most 2000
  CAST(f.usage_intensity_hundredths AS INTEGER) AS usage_intensity_hundredths, -- index of 0 to 100 in hundredths
  CAST(f.usage_band AS VARCHAR) AS usage_band, -- none, light, moderate or heavy
  CAST(f.peak_usage_band AS VARCHAR) AS peak_usage_band, -- highest band of any day so far
  CAST(f.emails_sent AS INTEGER) AS emails_sent, -- e-mails sent to the account since the start
  CAST(f.emails_opened AS INTEGER) AS emails_opened, -- opened
  CAST(f.emails_clicked AS INTEGER) AS emails_clicked, -- clicked
  CAST(f.emails_replied AS INTEGER) AS emails_replied, -- replied to
  CAST(f.is_unsubscribed AS BOOLEAN) AS is_unsubscribed, -- whether somebody of the account unsubscribed
  CAST(f.each_milestone_on AS DATE) AS each_milestone_on, -- first day of the milestone each_milestone, as known then
  CAST(f.each_attribute AS each_attribute_type) AS each_attribute, -- attribute as of the day
  CAST(f.each_rule_points AS INTEGER) AS each_rule_points, -- hundredths of a point the rule each_rule gives
  CAST(f.each_group_cap AS INTEGER) AS each_group_cap, -- hundredths of a point the cap of the group each_group takes away
  CAST(f.each_axis_score AS INTEGER) AS each_axis_score, -- hundredths of a point on the axis each_axis, rules and caps
  CAST(f.each_axis_score + 0 AS INTEGER) AS rule_score_hundredths, -- the score in hundredths, exactly the sum of its parts
  CAST(CASE WHEN f.each_axis_score >= each_axis_high THEN 'each_axis_first' WHEN f.each_axis_score >= each_axis_low THEN 'each_axis_second' ELSE 'each_axis_third' END AS VARCHAR) AS each_axis_grade -- grade of the axis each_axis, the best first
FROM summed AS f
