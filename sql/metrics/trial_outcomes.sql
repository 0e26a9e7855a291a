/*
description: >-
  Outcomes of the trials that started in each period, one row per outcome that occurs. The counts of a period add up to its new trials, always.
grain: one row per period and outcome
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
    SELECT t.*,
        t.population = $population OR ($population = 'all' AND t.population IN ('first', 'repeat', 'add_on')) AS is_counted
    FROM marts.trials AS t
    WHERE t.population <> 'merged' -- a merged trial is no new one: it stands nowhere, not even in excluded
),
totals AS (
    SELECT p.period_start, p.period_end, CAST(count(CASE WHEN t.is_counted THEN 1 END) AS BIGINT) AS started,
        CAST(count(CASE WHEN t.is_counted AND t.outcome = 'pending' THEN 1 END) AS BIGINT) AS pending,
        CAST(count(CASE WHEN NOT t.is_counted THEN 1 END) AS BIGINT) AS excluded,
        count(CASE WHEN t.is_counted AND NOT t.is_final THEN 1 END) AS unsettled
    FROM periods AS p
    JOIN trials AS t ON t.start_date >= p.period_start AND t.start_date < p.period_end
    GROUP BY p.period_start, p.period_end
),
outcomes AS (
    SELECT p.period_start, t.outcome AS split_value, CAST(count(*) AS BIGINT) AS trials
    FROM periods AS p
    JOIN trials AS t ON t.start_date >= p.period_start AND t.start_date < p.period_end
    WHERE t.is_counted
    GROUP BY p.period_start, t.outcome
),
rows_of AS (
    SELECT t.*, o.split_value, o.trials, CAST(o.trials AS DOUBLE) / t.started AS share
    FROM totals AS t
    JOIN outcomes AS o ON o.period_start = t.period_start
)
SELECT
    CAST('trial_outcomes' AS VARCHAR) AS metric, -- name of the metric
    CAST($definition_id AS VARCHAR) AS definition, -- id of the definition with every option that differs from the default
    CAST($version AS VARCHAR) AS version, -- version of the definition
    CAST(s.as_of AS TIMESTAMP) AS as_of, -- what occurred before this instant counts
    CAST(s.known_at AS TIMESTAMP) AS known_at, -- what was known before this instant counts
    CAST($generation AS BIGINT) AS generation, -- number of the published generation
    CAST(r.period_start AS DATE) AS period_start, -- first local day of the period
    CAST(r.period_end AS DATE) AS period_end, -- the day after its last
    CAST('outcome' AS VARCHAR) AS split_key, -- what the row is split by; NULL when it is not
    CAST(r.split_value AS VARCHAR) AS split_value, -- the value of the split this row is for
    CAST(r.trials AS BIGINT) AS numerator, -- trials with this outcome
    CAST(r.started AS BIGINT) AS denominator, -- trials that started
    CAST(r.pending AS BIGINT) AS pending, -- of them without an outcome yet
    CAST(r.excluded AS BIGINT) AS excluded, -- trials outside the population
    CAST(r.trials AS DOUBLE) AS value, -- trials with this outcome
    CAST('trials' AS VARCHAR) AS unit, -- a count
    CAST(NULL AS VARCHAR) AS currency, -- no money in this metric
    CAST(greatest(0, (r.share + 1.920729410347062 / r.started - 1.959963984540054 * sqrt(r.share * (1 - r.share)
        / r.started + 0.960364705173531 / r.started / r.started)) / (1 + 3.841458820694124 / r.started))
        AS DOUBLE) AS wilson_low, -- lower end of the Wilson 95 % interval of the outcome's share
    CAST(least(1, (r.share + 1.920729410347062 / r.started + 1.959963984540054 * sqrt(r.share * (1 - r.share)
        / r.started + 0.960364705173531 / r.started / r.started)) / (1 + 3.841458820694124 / r.started))
        AS DOUBLE) AS wilson_high, -- upper end
    CAST(NULL AS DOUBLE) AS bound_low, -- bounds belong to conversion
    CAST(NULL AS DOUBLE) AS bound_high, -- likewise
    CAST(NULL AS DOUBLE) AS estimate, -- likewise
    CAST(r.unsettled = 0 AND (r.period_end <= s.as_of_date
        OR (r.period_end = CAST(s.as_of_date + INTERVAL 1 DAY AS DATE) AND s.is_day_complete)) AS BOOLEAN) AS is_final -- no outcome of the period can change
FROM rows_of AS r
CROSS JOIN settings AS s
ORDER BY r.period_start, r.split_value
