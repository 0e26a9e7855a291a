/*
description: >-
  Days from a trial's start (and from its end) to its first payment: the day by which half, and nine tenths, of the conversions that
  the cumulative incidence of Aalen and Johansen reaches have happened. Cohort by start, conversions by the deadline.
grain: one row per period, split value and definition
key: [period_start, split_value, definition]
*/
WITH settings AS (
    SELECT c.*, coalesce(CAST($from_date AS DATE), DATE '1970-01-01') AS first_day,
        least(coalesce(CAST($to_date AS DATE), c.as_of_date), c.as_of_date) AS last_day
    FROM marts.clock AS c
),
periods AS (
    SELECT DISTINCT CASE WHEN $by = 'all' THEN greatest(p.period_start, s.first_day) ELSE p.period_start END AS period_start,
        CASE WHEN $by = 'all' THEN CAST(s.last_day + INTERVAL 1 DAY AS DATE) ELSE p.period_end END AS period_end
    FROM marts.periods AS p
    JOIN settings AS s ON p.day BETWEEN s.first_day AND s.last_day
    WHERE p.unit = $by
),
trials AS (
    SELECT t.*, p.split_value,
        t.population = $population OR ($population = 'all' AND t.population IN ('first', 'repeat', 'add_on')) AS is_counted
    FROM marts.trials AS t
    LEFT JOIN marts.trial_splits AS p ON p.trial_id = t.trial_id AND p.split_key = $split_key
    WHERE t.population <> 'merged' -- a merged trial is no new one: it stands nowhere, not even in excluded
),
origins AS (
    SELECT 'from_start' AS origin UNION ALL SELECT 'from_end' AS origin
),
placed AS ( -- conversion against every other end; only what is pending is censored
    SELECT p.period_start, p.period_end, o.origin, t.split_value, t.is_counted, j.kind,
        extract(EPOCH FROM (CASE j.kind WHEN 1 THEN t.converted_at WHEN 0 THEN s.as_of
            ELSE least(coalesce(CASE WHEN t.outcome IN ('cancelled', 'converted_free') THEN t.outcome_at END, t.deadline_at),
                t.deadline_at) END
            - CASE o.origin WHEN 'from_start' THEN t.started_at ELSE t.over_at END)) / 86400.0 AS elapsed
    FROM periods AS p
    JOIN trials AS t ON t.start_date >= p.period_start AND t.start_date < p.period_end
    CROSS JOIN settings AS s
    CROSS JOIN origins AS o
    JOIN (SELECT t.trial_id, CASE WHEN t.converted_at <= t.deadline_at AND NOT ($net AND t.is_refunded) THEN 1
            WHEN t.converted_at IS NULL AND c.as_of <= t.deadline_at AND t.outcome NOT IN ('cancelled', 'converted_free') THEN 0
            ELSE 2 END AS kind
        FROM marts.trials AS t CROSS JOIN marts.clock AS c) AS j ON j.trial_id = t.trial_id
),
steps AS (
    SELECT e.period_start, e.split_value, e.origin, e.elapsed, count(CASE WHEN e.kind = 1 THEN 1 END) AS hits,
        count(CASE WHEN e.kind > 0 THEN 1 END) AS ends, count(*) AS leaving
    FROM placed AS e
    WHERE e.is_counted AND e.elapsed IS NOT NULL
    GROUP BY e.period_start, e.split_value, e.origin, e.elapsed
),
risks AS (
    SELECT s.*, sum(s.leaving) OVER (PARTITION BY s.period_start, s.split_value, s.origin ORDER BY s.elapsed
        ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS at_risk
    FROM steps AS s
),
survival AS (
    SELECT r.*, coalesce(exp(sum(CASE WHEN r.at_risk > r.ends THEN ln(1.0 - CAST(r.ends AS DOUBLE) / r.at_risk) ELSE 0 END)
        OVER (PARTITION BY r.period_start, r.split_value, r.origin ORDER BY r.elapsed
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)), 1) AS still_open
    FROM risks AS r
),
incidence AS (
    SELECT s.*, sum(s.still_open * s.hits / s.at_risk) OVER (PARTITION BY s.period_start, s.split_value, s.origin
            ORDER BY s.elapsed ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS reached,
        sum(s.still_open * s.hits / s.at_risk) OVER (PARTITION BY s.period_start, s.split_value, s.origin) AS reached_in_all
    FROM survival AS s
),
quantiles AS ( -- the tolerance absorbs the rounding of the running product
    SELECT i.period_start, i.split_value, i.origin,
        min(CASE WHEN i.reached >= 0.5 * i.reached_in_all - 1e-12 THEN i.elapsed END) AS median,
        min(CASE WHEN i.reached >= 0.9 * i.reached_in_all - 1e-12 THEN i.elapsed END) AS p90
    FROM incidence AS i
    WHERE i.hits > 0
    GROUP BY i.period_start, i.split_value, i.origin
),
counted AS (
    SELECT e.period_start, e.period_end, e.split_value, e.origin,
        CAST(count(CASE WHEN e.is_counted AND e.kind = 1 THEN 1 END) AS BIGINT) AS converted,
        CAST(count(CASE WHEN e.is_counted THEN 1 END) AS BIGINT) AS started,
        CAST(count(CASE WHEN e.is_counted AND e.kind = 0 THEN 1 END) AS BIGINT) AS pending,
        CAST(count(CASE WHEN NOT e.is_counted THEN 1 END) AS BIGINT) AS excluded
    FROM placed AS e
    GROUP BY e.period_start, e.period_end, e.split_value, e.origin
),
rows_of AS (
    SELECT c.*, q.quantile, CASE q.quantile WHEN 'median' THEN f.median ELSE f.p90 END AS value
    FROM counted AS c
    CROSS JOIN (SELECT 'median' AS quantile UNION ALL SELECT 'p90' AS quantile) AS q
    LEFT JOIN quantiles AS f ON f.period_start = c.period_start AND f.origin = c.origin
        AND f.split_value IS NOT DISTINCT FROM c.split_value
)
SELECT
    CAST('time_to_convert' AS VARCHAR) AS metric, -- name of the metric
    CAST(concat(r.quantile, '_', r.origin, $definition_id) AS VARCHAR) AS definition, -- id of the definition with every option that differs from the default
    CAST($version AS VARCHAR) AS version, -- version of the definition
    CAST(s.as_of AS TIMESTAMP) AS as_of, -- what occurred before this instant counts
    CAST(s.known_at AS TIMESTAMP) AS known_at, -- what was known before this instant counts
    CAST($generation AS BIGINT) AS generation, -- number of the published generation
    CAST(r.period_start AS DATE) AS period_start, -- first local day of the period
    CAST(r.period_end AS DATE) AS period_end, -- the day after its last
    CAST($split_key AS VARCHAR) AS split_key, -- what the row is split by; NULL when it is not
    CAST(r.split_value AS VARCHAR) AS split_value, -- the value of the split this row is for
    CAST(r.converted AS BIGINT) AS numerator, -- trials converted by their deadline
    CAST(r.started AS BIGINT) AS denominator, -- trials started
    CAST(r.pending AS BIGINT) AS pending, -- of them not converted, deadline ahead, not cancelled
    CAST(r.excluded AS BIGINT) AS excluded, -- trials outside the population
    CAST(r.value AS DOUBLE) AS value, -- days; from the end they are negative for an early upgrade
    CAST('days' AS VARCHAR) AS unit, -- of 24 hours
    CAST(NULL AS VARCHAR) AS currency, -- no money in this metric
    CAST(NULL AS DOUBLE) AS wilson_low, -- a time has no interval of a share
    CAST(NULL AS DOUBLE) AS wilson_high, -- likewise
    CAST(NULL AS DOUBLE) AS bound_low, -- likewise
    CAST(NULL AS DOUBLE) AS bound_high, -- likewise
    CAST(NULL AS DOUBLE) AS estimate, -- likewise
    CAST(r.pending = 0 AND (r.period_end <= s.as_of_date
        OR (r.period_end = CAST(s.as_of_date + INTERVAL 1 DAY AS DATE) AND s.is_day_complete)) AS BOOLEAN) AS is_final -- nothing is pending and the period is over
FROM rows_of AS r
CROSS JOIN settings AS s
ORDER BY r.period_start, r.split_value, r.origin DESC, r.quantile
