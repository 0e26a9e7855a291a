/*
description: "Trial conversion of cohorts under one named definition: start_cohort, end_cohort, status or ever."
grain: one row per period and split value
key: [period_start, split_value]
decision: conversion-definitions
*/
WITH settings AS (
    SELECT c.*, coalesce(CAST($from_date AS DATE), DATE '1970-01-01') AS first_day,
        least(coalesce(CAST($to_date AS DATE), c.as_of_date), c.as_of_date) AS last_day
    FROM marts.clock AS c
),
periods AS (
    SELECT DISTINCT CASE WHEN $by = 'all' THEN greatest(p.period_start, s.first_day) ELSE p.period_start END AS period_start,
        CASE WHEN $by = 'all' THEN CAST(s.last_day + INTERVAL 1 DAY AS DATE) ELSE p.period_end END AS period_end
    FROM marts.periods AS p JOIN settings AS s ON p.day BETWEEN s.first_day AND s.last_day
    WHERE p.unit = $by
),
memberships AS ( -- at the end of trial day k, among the trials still open then; never "members now"
    SELECT t.trial_id, CASE WHEN NOT (coalesce(t.effective_end_at > k.ends_at, TRUE) AND s.as_of >= k.ends_at) THEN 'not_open'
            WHEN EXISTS (SELECT 1 FROM marts.memberships AS m WHERE m.trial_id = t.trial_id AND m.segment = $segment
                AND m.entered_on <= k.day AND (m.left_on IS NULL OR m.left_on > k.day)) THEN 'member'
            ELSE 'non_member' END AS standing
    FROM marts.trials AS t CROSS JOIN settings AS s
    JOIN marts.calendar AS k ON k.day_no = t.start_no + coalesce(CAST($at_day AS INTEGER), t.half_day) - 1
    WHERE CAST($segment AS VARCHAR) IS NOT NULL
),
trials AS (
    SELECT t.*, s.as_of, CASE WHEN CAST($segment AS VARCHAR) IS NOT NULL
            THEN coalesce(m.standing, 'not_open') ELSE p.split_value END AS split_value,
        (t.population = $population OR ($population = 'all' AND t.population IN ('first', 'repeat', 'add_on')))
        AND (CAST($segment AS VARCHAR) IS NULL OR coalesce(m.standing, 'not_open') <> 'not_open')
        AND NOT ($definition = 'status' AND t.source = 'event') AS is_counted,
        CASE $definition WHEN 'status' THEN t.active_status_at WHEN 'ever' THEN t.ever_paid_at ELSE t.converted_at END AS hit_at,
        CASE WHEN $definition = 'end_cohort' THEN t.over_at ELSE t.started_at END AS origin_at,
        CASE WHEN $definition = 'end_cohort' THEN t.effective_end_date ELSE t.start_date END AS cohort_date,
        CASE WHEN $definition = 'end_cohort' THEN t.over_at + s.collection_lag_hours * INTERVAL 1 HOUR
                + coalesce(CAST($grace_days AS INTEGER), s.grace_days) * INTERVAL 1 DAY
            ELSE coalesce(t.started_at + CAST($within_days AS INTEGER) * INTERVAL 1 DAY, t.deadline_at) END AS limit_at
    FROM marts.trials AS t CROSS JOIN settings AS s
    LEFT JOIN memberships AS m ON m.trial_id = t.trial_id
    LEFT JOIN marts.trial_splits AS p ON p.trial_id = t.trial_id AND p.split_key = $split_key
    WHERE t.population <> 'merged' -- a merged trial is no new one: it stands nowhere, not even in excluded
),
judged AS (
    SELECT t.*,
        t.hit_at IS NOT NULL AND ($ever OR $definition IN ('status', 'ever') OR t.hit_at <= t.limit_at)
        AND NOT ($net AND t.is_refunded) AS is_hit,
        t.hit_at IS NULL AND t.as_of <= t.limit_at AND t.outcome NOT IN ('cancelled', 'converted_free') AS is_pending
    FROM trials AS t
),
placed AS (
    SELECT p.period_start, p.period_end, j.*
    FROM periods AS p
    JOIN judged AS j ON j.cohort_date >= p.period_start AND j.cohort_date < p.period_end
    WHERE $definition <> 'end_cohort' OR j.effective_end_at <= j.as_of
),
spine AS (
    SELECT p.period_start, p.period_end, v.split_value
    FROM periods AS p
    CROSS JOIN (SELECT t.split_value FROM trials AS t WHERE CAST($split_label AS VARCHAR) IS NOT NULL
        UNION SELECT CAST(NULL AS VARCHAR) AS split_value WHERE CAST($split_label AS VARCHAR) IS NULL) AS v
),
counted AS (
    SELECT s.period_start, s.period_end, s.split_value,
        CAST(count(CASE WHEN a.is_counted AND a.is_hit THEN 1 END) AS BIGINT) AS numerator,
        CAST(count(CASE WHEN a.is_counted THEN 1 END) AS BIGINT) AS denominator,
        CAST(count(CASE WHEN a.is_counted AND a.is_pending THEN 1 END) AS BIGINT) AS pending,
        CAST(count(CASE WHEN NOT a.is_counted THEN 1 END) AS BIGINT) AS excluded
    FROM spine AS s
    LEFT JOIN placed AS a ON a.period_start = s.period_start AND a.split_value IS NOT DISTINCT FROM s.split_value
    GROUP BY s.period_start, s.period_end, s.split_value
),
departures AS ( -- Aalen-Johansen: conversion against every other end; only what is pending is censored
    SELECT a.period_start, a.split_value, a.origin_at,
        CASE WHEN a.is_hit THEN 1 WHEN a.is_pending THEN 0 ELSE 2 END AS kind,
        CASE WHEN a.is_hit OR a.hit_at <= a.limit_at THEN a.hit_at
            WHEN a.outcome IN ('cancelled', 'converted_free') THEN least(a.outcome_at, a.limit_at)
            ELSE a.limit_at END AS left_at
    FROM placed AS a
    WHERE a.is_counted
),
instant_days AS ( -- the days each UTC date touches: an equality for the join, or it would compare every day
    SELECT CAST(starts_at AS DATE) AS utc_date, day_no, starts_at, ends_at FROM marts.calendar
    UNION SELECT CAST(ends_at AS DATE), day_no, starts_at, ends_at FROM marts.calendar
),
endings AS ( -- by trial day: what happens on one day happens at once, today is the last day seen
    SELECT d.period_start, d.split_value, d.kind,
        CASE WHEN d.kind = 0 THEN s.as_of_no ELSE l.day_no END - o.day_no AS elapsed
    FROM departures AS d CROSS JOIN settings AS s
    JOIN instant_days AS o ON o.utc_date = CAST(d.origin_at AS DATE) AND o.starts_at <= d.origin_at AND o.ends_at > d.origin_at
    LEFT JOIN instant_days AS l ON l.utc_date = CAST(d.left_at AS DATE) AND l.starts_at <= d.left_at AND l.ends_at > d.left_at
),
risks AS (
    SELECT e.period_start, e.split_value, e.elapsed, count(CASE WHEN e.kind = 1 THEN 1 END) AS hits,
        count(CASE WHEN e.kind > 0 THEN 1 END) AS ends, sum(count(*)) OVER (PARTITION BY e.period_start, e.split_value
            ORDER BY e.elapsed ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS at_risk
    FROM endings AS e
    GROUP BY e.period_start, e.split_value, e.elapsed
),
survival AS (
    SELECT r.*, coalesce(exp(sum(CASE WHEN r.at_risk > r.ends THEN ln(1.0 - CAST(r.ends AS DOUBLE) / r.at_risk) ELSE 0 END)
        OVER (PARTITION BY r.period_start, r.split_value ORDER BY r.elapsed
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)), 1) AS still_open
    FROM risks AS r
),
incidence AS (
    SELECT s.period_start, s.split_value, CAST(sum(CAST(s.still_open * s.hits / s.at_risk AS DECIMAL(38, 15))) AS DOUBLE) AS reached -- the same in any order
    FROM survival AS s GROUP BY s.period_start, s.split_value
),
rates AS (
    SELECT c.*, i.reached, CAST(c.numerator AS DOUBLE) / nullif(c.denominator, 0) AS share,
        CAST(c.numerator + c.pending AS DOUBLE) / nullif(c.denominator, 0) AS ceiling
    FROM counted AS c
    LEFT JOIN incidence AS i
        ON i.period_start = c.period_start AND i.split_value IS NOT DISTINCT FROM c.split_value
)
SELECT
    CAST('trial_conversion' AS VARCHAR) AS metric, -- name of the metric
    CAST($definition_id AS VARCHAR) AS definition, -- id of the definition with every option that differs from the default
    CAST($version AS VARCHAR) AS version, -- version of the definition
    CAST(s.as_of AS TIMESTAMP) AS as_of, -- what occurred before this instant counts
    CAST(s.known_at AS TIMESTAMP) AS known_at, -- what was known before this instant counts
    CAST($generation AS BIGINT) AS generation, -- number of the published generation
    CAST(r.period_start AS DATE) AS period_start, -- first local day of the period
    CAST(r.period_end AS DATE) AS period_end, -- the day after its last
    CAST($split_label AS VARCHAR) AS split_key, -- what the row is split by; NULL when it is not
    CAST(r.split_value AS VARCHAR) AS split_value, -- the value of the split this row is for
    CAST(r.numerator AS BIGINT) AS numerator, -- trials that converted in the sense of the definition
    CAST(r.denominator AS BIGINT) AS denominator, -- trials the rate is about
    CAST(r.pending AS BIGINT) AS pending, -- of them not converted, deadline ahead, not cancelled
    CAST(r.excluded AS BIGINT) AS excluded, -- trials of the period outside the population
    CAST(r.share AS DOUBLE) AS value, -- numerator / denominator; NULL for no trials
    CAST('rate' AS VARCHAR) AS unit, -- a fraction of 1
    CAST(NULL AS VARCHAR) AS currency, -- no money in this metric
    CAST(CASE WHEN r.share IS NOT NULL THEN greatest(0, (r.share + 1.920729410347062 / r.denominator
        - 1.959963984540054 * sqrt(r.share * (1 - r.share) / r.denominator + 0.960364705173531 / r.denominator / r.denominator))
        / (1 + 3.841458820694124 / r.denominator)) END AS DOUBLE) AS wilson_low, -- lower end of the Wilson 95 % interval
    CAST(CASE WHEN r.share IS NOT NULL THEN least(1, (r.share + 1.920729410347062 / r.denominator
        + 1.959963984540054 * sqrt(r.share * (1 - r.share) / r.denominator + 0.960364705173531 / r.denominator / r.denominator))
        / (1 + 3.841458820694124 / r.denominator)) END AS DOUBLE) AS wilson_high, -- upper end
    CAST(r.share AS DOUBLE) AS bound_low, -- the rate if nothing pending converts
    CAST(r.ceiling AS DOUBLE) AS bound_high, -- the rate if everything pending converts
    CAST(CASE WHEN r.reached IS NOT NULL THEN greatest(r.share, least(r.ceiling, r.reached)) END AS DOUBLE)
        AS estimate, -- cumulative incidence by Aalen and Johansen; the clamp to the bounds only removes rounding
    CAST(r.pending = 0 AND $definition <> 'ever' AND (r.period_end <= s.as_of_date
        OR (r.period_end = CAST(s.as_of_date + INTERVAL 1 DAY AS DATE) AND s.is_day_complete)) AS BOOLEAN)
        AS is_final -- nothing is pending and the period is over
FROM rates AS r
CROSS JOIN settings AS s
ORDER BY r.period_start, r.split_value
