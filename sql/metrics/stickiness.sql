/*
description: >-
  Mean of DAU / MAU over the completed days of each period: people with a value event on the day over people with one in the 28 days up to it.
grain: one row per period
key: [period_start]
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
rows_of AS (
    SELECT p.period_start, p.period_end, CAST(NULL AS VARCHAR) AS split_value,
        CAST(sum(u.active_users) AS BIGINT) AS daily, CAST(sum(u.active_users_28d) AS BIGINT) AS monthly,
        CAST(sum(CAST(CAST(u.active_users AS DOUBLE) / nullif(u.active_users_28d, 0) AS DECIMAL(38, 15))) AS DOUBLE)
            / nullif(count(CASE WHEN u.active_users_28d > 0 THEN 1 END), 0) AS value -- as decimals: the same in any order
    FROM periods AS p
    LEFT JOIN marts.active_users AS u ON u.activity_date >= p.period_start AND u.activity_date < p.period_end
    GROUP BY p.period_start, p.period_end
)
SELECT
    CAST('stickiness' AS VARCHAR) AS metric, -- name of the metric
    CAST($definition_id AS VARCHAR) AS definition, -- id of the definition with every option that differs from the default
    CAST($version AS VARCHAR) AS version, -- version of the definition
    CAST(s.as_of AS TIMESTAMP) AS as_of, -- what occurred before this instant counts
    CAST(s.known_at AS TIMESTAMP) AS known_at, -- what was known before this instant counts
    CAST($generation AS BIGINT) AS generation, -- number of the published generation
    CAST(r.period_start AS DATE) AS period_start, -- first local day of the period
    CAST(r.period_end AS DATE) AS period_end, -- the day after its last
    CAST(NULL AS VARCHAR) AS split_key, -- what the row is split by; NULL when it is not
    CAST(r.split_value AS VARCHAR) AS split_value, -- the value of the split this row is for
    CAST(coalesce(r.daily, 0) AS BIGINT) AS numerator, -- DAU added up over the days
    CAST(coalesce(r.monthly, 0) AS BIGINT) AS denominator, -- MAU added up over the days
    CAST(NULL AS BIGINT) AS pending, -- nothing is pending
    CAST(NULL AS BIGINT) AS excluded, -- users are excluded before they are counted
    CAST(r.value AS DOUBLE) AS value, -- mean over the days of DAU / MAU; days without MAU are left out
    CAST('ratio' AS VARCHAR) AS unit, -- a fraction of 1
    CAST(NULL AS VARCHAR) AS currency, -- no money in this metric
    CAST(NULL AS DOUBLE) AS wilson_low, -- the days are not independent
    CAST(NULL AS DOUBLE) AS wilson_high, -- likewise
    CAST(NULL AS DOUBLE) AS bound_low, -- likewise
    CAST(NULL AS DOUBLE) AS bound_high, -- likewise
    CAST(NULL AS DOUBLE) AS estimate, -- likewise
    CAST((r.period_end <= s.as_of_date
        OR (r.period_end = CAST(s.as_of_date + INTERVAL 1 DAY AS DATE) AND s.is_day_complete)) AS BOOLEAN) AS is_final -- the period is over
FROM rows_of AS r
CROSS JOIN settings AS s
ORDER BY r.period_start
