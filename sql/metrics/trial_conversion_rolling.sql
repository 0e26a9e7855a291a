/*
description: >-
  Trial conversion over rolling windows of 30 days under one named definition. rolling_ended: of the trials that
  converted or ended unconverted in the window; rolling_flow: conversions over new trials, which may pass 100 %.
grain: one row per window and split value
key: [period_start, split_value]
decision: conversion-definitions
*/
WITH settings AS (
    SELECT c.*, coalesce(CAST($from_date AS DATE), DATE '1970-01-01') AS first_day,
        least(coalesce(CAST($to_date AS DATE), c.as_of_date), c.as_of_date) AS last_day
    FROM marts.clock AS c
),
periods AS ( -- the 30 days up to the last day of a period that has been seen
    SELECT DISTINCT CAST(p.seen_end - INTERVAL 30 DAY AS DATE) AS period_start, p.seen_end AS period_end
    FROM marts.periods AS p
    JOIN settings AS s ON p.day BETWEEN s.first_day AND s.last_day
    WHERE p.unit = $by
),
trials AS (
    SELECT t.*, p.split_value,
        t.population = $population OR ($population = 'all' AND t.population IN ('first', 'repeat', 'add_on')) AS is_counted,
        t.converted_at IS NULL AND s.as_of <= t.deadline_at
            AND t.outcome NOT IN ('cancelled', 'converted_free') AS is_pending
    FROM marts.trials AS t
    CROSS JOIN settings AS s
    LEFT JOIN marts.trial_splits AS p ON p.trial_id = t.trial_id AND p.split_key = $split_key
    WHERE t.population <> 'merged' -- a merged trial is no new one: it stands nowhere, not even in excluded
),
appearances AS ( -- the day on which a trial stands above or below the line of its definition
    SELECT t.*, t.converted_date AS day, (NOT $net OR NOT t.is_refunded) AS above, $definition = 'rolling_ended' AS below
    FROM trials AS t
    WHERE t.outcome IN ('converted', 'converted_late')
    UNION ALL
    SELECT t.*, t.outcome_date AS day, FALSE AS above, TRUE AS below
    FROM trials AS t -- a trial that is only paused has not ended
    WHERE $definition = 'rolling_ended'
        AND (t.outcome IN ('cancelled', 'expired', 'payment_failed')
        OR (t.outcome = 'no_payment_method' AND (t.is_inferred OR t.ended_at IS NOT NULL)))
    UNION ALL
    SELECT t.*, t.start_date AS day, FALSE AS above, TRUE AS below
    FROM trials AS t
    WHERE $definition = 'rolling_flow'
),
placed AS (
    SELECT p.period_start, p.period_end, a.*
    FROM periods AS p JOIN appearances AS a ON a.day >= p.period_start AND a.day < p.period_end
),
spine AS (
    SELECT p.period_start, p.period_end, v.split_value
    FROM periods AS p
    CROSS JOIN (
        SELECT t.split_value FROM trials AS t WHERE CAST($split_label AS VARCHAR) IS NOT NULL
        UNION
        SELECT CAST(NULL AS VARCHAR) AS split_value WHERE CAST($split_label AS VARCHAR) IS NULL
    ) AS v
),
counted AS (
    SELECT s.period_start, s.period_end, s.split_value,
        CAST(count(CASE WHEN a.is_counted AND a.above THEN 1 END) AS BIGINT) AS numerator,
        CAST(count(CASE WHEN a.is_counted AND a.below THEN 1 END) AS BIGINT) AS denominator,
        CAST(count(CASE WHEN a.is_counted AND a.below AND a.is_pending THEN 1 END) AS BIGINT) AS pending,
        CAST(count(DISTINCT CASE WHEN NOT a.is_counted THEN a.trial_id END) AS BIGINT) AS excluded
    FROM spine AS s
    LEFT JOIN placed AS a
        ON a.period_start = s.period_start AND a.period_end = s.period_end
        AND a.split_value IS NOT DISTINCT FROM s.split_value
    GROUP BY s.period_start, s.period_end, s.split_value
),
rates AS (
    SELECT c.*, CAST(c.numerator AS DOUBLE) / nullif(c.denominator, 0) AS value,
        CASE WHEN $definition <> 'rolling_flow' THEN CAST(c.numerator AS DOUBLE) / nullif(c.denominator, 0) END AS share,
        CASE WHEN $definition <> 'rolling_flow'
            THEN CAST(c.numerator + c.pending AS DOUBLE) / nullif(c.denominator, 0) END AS ceiling
    FROM counted AS c
)
SELECT
    CAST('trial_conversion' AS VARCHAR) AS metric, -- name of the metric
    CAST($definition_id AS VARCHAR) AS definition, -- id of the definition with every option that differs from the default
    CAST($version AS VARCHAR) AS version, -- version of the definition
    CAST(s.as_of AS TIMESTAMP) AS as_of, -- what occurred before this instant counts
    CAST(s.known_at AS TIMESTAMP) AS known_at, -- what was known before this instant counts
    CAST($generation AS BIGINT) AS generation, -- number of the published generation
    CAST(r.period_start AS DATE) AS period_start, -- first local day of the window
    CAST(r.period_end AS DATE) AS period_end, -- the day after its last
    CAST($split_label AS VARCHAR) AS split_key, -- what the row is split by; NULL when it is not
    CAST(r.split_value AS VARCHAR) AS split_value, -- the value of the split this row is for
    CAST(r.numerator AS BIGINT) AS numerator, -- trials that converted in the sense of the definition
    CAST(r.denominator AS BIGINT) AS denominator, -- trials the rate is about
    CAST(r.pending AS BIGINT) AS pending, -- of them not converted, deadline ahead, not cancelled
    CAST(r.excluded AS BIGINT) AS excluded, -- trials of the period outside the population
    CAST(r.value AS DOUBLE) AS value, -- numerator / denominator; NULL for no trials
    CAST('rate' AS VARCHAR) AS unit, -- a fraction of 1
    CAST(NULL AS VARCHAR) AS currency, -- no money in this metric
    CAST(CASE WHEN r.share IS NOT NULL THEN greatest(0, (r.share + 1.920729410347062 / r.denominator
        - 1.959963984540054 * sqrt(r.share * (1 - r.share) / r.denominator + 0.960364705173531 / r.denominator / r.denominator))
        / (1 + 3.841458820694124 / r.denominator)) END AS DOUBLE) AS wilson_low, -- lower end of the Wilson 95 % interval; NULL where the numerator is no subset
    CAST(CASE WHEN r.share IS NOT NULL THEN least(1, (r.share + 1.920729410347062 / r.denominator
        + 1.959963984540054 * sqrt(r.share * (1 - r.share) / r.denominator + 0.960364705173531 / r.denominator / r.denominator))
        / (1 + 3.841458820694124 / r.denominator)) END AS DOUBLE) AS wilson_high, -- upper end
    CAST(r.share AS DOUBLE) AS bound_low, -- the rate if nothing pending converts
    CAST(r.ceiling AS DOUBLE) AS bound_high, -- the rate if everything pending converts
    CAST(NULL AS DOUBLE) AS estimate, -- a window is no cohort and has no incidence
    CAST(r.pending = 0 AND (r.period_end <= s.as_of_date
        OR (r.period_end = CAST(s.as_of_date + INTERVAL 1 DAY AS DATE) AND s.is_day_complete)) AS BOOLEAN)
        AS is_final -- nothing is pending and the window is over
FROM rates AS r
CROSS JOIN settings AS s
ORDER BY r.period_start, r.split_value
