/*
description: >-
  Trials that started in each period. The population the conversion rates are about; the others stand in `excluded`.
grain: one row per period and split value
key: [period_start, split_value]
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
rows_of AS (
    SELECT p.period_start, p.period_end, v.split_value,
        CAST(count(CASE WHEN t.is_counted THEN 1 END) AS BIGINT) AS started,
        CAST(count(CASE WHEN NOT t.is_counted THEN 1 END) AS BIGINT) AS excluded
    FROM periods AS p
    CROSS JOIN (
        SELECT t.split_value FROM trials AS t WHERE CAST($split_key AS VARCHAR) IS NOT NULL
        UNION
        SELECT CAST(NULL AS VARCHAR) AS split_value WHERE CAST($split_key AS VARCHAR) IS NULL
    ) AS v
    LEFT JOIN trials AS t ON t.start_date >= p.period_start AND t.start_date < p.period_end
        AND t.split_value IS NOT DISTINCT FROM v.split_value
    GROUP BY p.period_start, p.period_end, v.split_value
)
SELECT
    CAST('new_trials' AS VARCHAR) AS metric, -- name of the metric
    CAST($definition_id AS VARCHAR) AS definition, -- id of the definition with every option that differs from the default
    CAST($version AS VARCHAR) AS version, -- version of the definition
    CAST(s.as_of AS TIMESTAMP) AS as_of, -- what occurred before this instant counts
    CAST(s.known_at AS TIMESTAMP) AS known_at, -- what was known before this instant counts
    CAST($generation AS BIGINT) AS generation, -- number of the published generation
    CAST(r.period_start AS DATE) AS period_start, -- first local day of the period
    CAST(r.period_end AS DATE) AS period_end, -- the day after its last
    CAST($split_key AS VARCHAR) AS split_key, -- what the row is split by; NULL when it is not
    CAST(r.split_value AS VARCHAR) AS split_value, -- the value of the split this row is for
    CAST(r.started AS BIGINT) AS numerator, -- trials that started
    CAST(NULL AS BIGINT) AS denominator, -- a count has none
    CAST(NULL AS BIGINT) AS pending, -- nothing about a start is pending
    CAST(r.excluded AS BIGINT) AS excluded, -- trials outside the population
    CAST(r.started AS DOUBLE) AS value, -- trials that started
    CAST('trials' AS VARCHAR) AS unit, -- a count
    CAST(NULL AS VARCHAR) AS currency, -- no money in this metric
    CAST(NULL AS DOUBLE) AS wilson_low, -- a count has no interval
    CAST(NULL AS DOUBLE) AS wilson_high, -- likewise
    CAST(NULL AS DOUBLE) AS bound_low, -- likewise
    CAST(NULL AS DOUBLE) AS bound_high, -- likewise
    CAST(NULL AS DOUBLE) AS estimate, -- likewise
    CAST((r.period_end <= s.as_of_date
        OR (r.period_end = CAST(s.as_of_date + INTERVAL 1 DAY AS DATE) AND s.is_day_complete)) AS BOOLEAN) AS is_final -- the period is over
FROM rows_of AS r
CROSS JOIN settings AS s
ORDER BY r.period_start, r.split_value
