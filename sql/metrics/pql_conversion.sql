/*
description: >-
  Paid by the trial's deadline, of the trials that first qualified in each period (`first_qualified`), against trials that had
  not qualified by the same trial day and were still open then (`baseline`), and the quotient of both (`lift`).
  Accounts already paying when they qualified are excluded.
grain: one row per period and definition
key: [period_start, definition]
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
first_days AS (
    SELECT m.trial_id, min(m.entered_on) AS qualified_on
    FROM marts.memberships AS m
    WHERE m.segment = $segment
    GROUP BY m.trial_id
),
trials AS (
    SELECT t.*, q.qualified_on, d.day_no - t.start_no + 1 AS qualified_day,
        t.population = $population OR ($population = 'all' AND t.population IN ('first', 'repeat', 'add_on')) AS in_population,
        t.converted_at <= t.deadline_at
            AND NOT ($net AND t.is_refunded) AS is_hit,
        t.converted_at IS NULL AND t.outcome NOT IN ('cancelled', 'converted_free')
            AND s.as_of <= t.deadline_at AS is_pending,
        s.as_of
    FROM marts.trials AS t
    CROSS JOIN settings AS s
    LEFT JOIN first_days AS q ON q.trial_id = t.trial_id
    LEFT JOIN marts.calendar AS d ON d.day = q.qualified_on
    WHERE t.population <> 'merged' -- a merged trial is no new one: it stands nowhere, not even in excluded
),
qualified AS (
    SELECT p.period_start, p.period_end, t.*,
        t.in_population AND NOT t.is_add_on AND (t.converted_at IS NULL OR t.converted_at >= k.ends_at) AS is_counted
    FROM periods AS p
    JOIN trials AS t ON t.qualified_on >= p.period_start AND t.qualified_on < p.period_end
    JOIN marts.calendar AS k ON k.day = t.qualified_on
),
weights AS (
    SELECT q.period_start, q.period_end, q.qualified_day, count(*) AS leads
    FROM qualified AS q
    WHERE q.is_counted
    GROUP BY q.period_start, q.period_end, q.qualified_day
),
period_days AS (
    SELECT p.period_start, k.day_no, k.ends_at
    FROM periods AS p
    JOIN marts.calendar AS k ON k.day >= p.period_start AND k.day < p.period_end
),
asked AS (SELECT DISTINCT w.qualified_day FROM weights AS w),
others AS ( -- open, unpaid and not qualified at the end of the same trial day, in the same period
    SELECT w.period_start, w.qualified_day, w.leads, t.trial_id, t.is_hit, t.is_pending
    FROM asked AS a
    JOIN trials AS t ON t.in_population AND NOT t.is_add_on
        AND (t.qualified_day IS NULL OR t.qualified_day > a.qualified_day)
    JOIN period_days AS k ON k.day_no = t.start_no + a.qualified_day - 1
    JOIN weights AS w ON w.period_start = k.period_start AND w.qualified_day = a.qualified_day
    WHERE coalesce(t.effective_end_at >= k.ends_at, TRUE) AND k.ends_at <= t.as_of
),
matched AS (
    SELECT o.period_start, o.qualified_day, o.leads, avg(CASE WHEN o.is_hit THEN 1.0 ELSE 0.0 END) AS rate
    FROM others AS o
    GROUP BY o.period_start, o.qualified_day, o.leads
),
baseline AS ( -- added as decimals: the sum of fractions is then the same whatever order they come in
    SELECT m.period_start, CAST(sum(CAST(m.leads * m.rate AS DECIMAL(38, 15))) AS DOUBLE) / nullif(sum(m.leads), 0) AS rate
    FROM matched AS m
    GROUP BY m.period_start
),
compared AS (
    SELECT o.period_start, CAST(count(DISTINCT CASE WHEN o.is_hit THEN o.trial_id END) AS BIGINT) AS hits,
        CAST(count(DISTINCT o.trial_id) AS BIGINT) AS trials,
        CAST(count(DISTINCT CASE WHEN o.is_pending THEN o.trial_id END) AS BIGINT) AS pending
    FROM others AS o
    GROUP BY o.period_start
),
counted AS (
    SELECT p.period_start, p.period_end, CAST(count(CASE WHEN q.is_counted AND q.is_hit THEN 1 END) AS BIGINT) AS hits,
        CAST(count(CASE WHEN q.is_counted THEN 1 END) AS BIGINT) AS leads,
        CAST(count(CASE WHEN q.is_counted AND q.is_pending THEN 1 END) AS BIGINT) AS pending,
        CAST(count(CASE WHEN NOT q.is_counted THEN 1 END) AS BIGINT) AS excluded
    FROM periods AS p
    LEFT JOIN qualified AS q ON q.period_start = p.period_start
    GROUP BY p.period_start, p.period_end
),
rows_of AS (
    SELECT c.period_start, c.period_end, CAST(NULL AS VARCHAR) AS split_value, 1 AS place, 'first_qualified' AS part,
        c.hits AS numerator, c.leads AS denominator, c.pending, c.excluded, 'rate' AS unit,
        CAST(c.hits AS DOUBLE) / nullif(c.leads, 0) AS value, CAST(c.hits AS DOUBLE) / nullif(c.leads, 0) AS share,
        CAST(c.hits + c.pending AS DOUBLE) / nullif(c.leads, 0) AS ceiling, c.pending AS open_ends
    FROM counted AS c
    UNION ALL
    SELECT c.period_start, c.period_end, NULL AS split_value, 2 AS place, 'baseline' AS part, coalesce(x.hits, 0) AS numerator,
        coalesce(x.trials, 0) AS denominator, coalesce(x.pending, 0) AS pending, NULL AS excluded, 'rate' AS unit,
        b.rate AS value, NULL AS share, NULL AS ceiling, coalesce(x.pending, 0) AS open_ends
    FROM counted AS c
    LEFT JOIN compared AS x ON x.period_start = c.period_start
    LEFT JOIN baseline AS b ON b.period_start = c.period_start
    UNION ALL
    SELECT c.period_start, c.period_end, NULL AS split_value, 3 AS place, 'lift' AS part, NULL AS numerator,
        NULL AS denominator, NULL AS pending, NULL AS excluded, 'ratio' AS unit,
        CAST(c.hits AS DOUBLE) / nullif(c.leads, 0) / nullif(b.rate, 0) AS value, NULL AS share, NULL AS ceiling,
        c.pending + coalesce(x.pending, 0) AS open_ends
    FROM counted AS c
    LEFT JOIN compared AS x ON x.period_start = c.period_start
    LEFT JOIN baseline AS b ON b.period_start = c.period_start
)
SELECT
    CAST('pql_conversion' AS VARCHAR) AS metric, -- name of the metric
    CAST(concat(r.part, $definition_id) AS VARCHAR) AS definition, -- id of the definition with every option that differs from the default
    CAST($version AS VARCHAR) AS version, -- version of the definition
    CAST(s.as_of AS TIMESTAMP) AS as_of, -- what occurred before this instant counts
    CAST(s.known_at AS TIMESTAMP) AS known_at, -- what was known before this instant counts
    CAST($generation AS BIGINT) AS generation, -- number of the published generation
    CAST(r.period_start AS DATE) AS period_start, -- first local day of the period
    CAST(r.period_end AS DATE) AS period_end, -- the day after its last
    CAST(NULL AS VARCHAR) AS split_key, -- what the row is split by; NULL when it is not
    CAST(r.split_value AS VARCHAR) AS split_value, -- the value of the split this row is for
    CAST(r.numerator AS BIGINT) AS numerator, -- trials paid by their deadline
    CAST(r.denominator AS BIGINT) AS denominator, -- trials that qualified; for the baseline, trials compared with
    CAST(r.pending AS BIGINT) AS pending, -- of them not converted, deadline ahead, not cancelled
    CAST(r.excluded AS BIGINT) AS excluded, -- qualified, but outside the population or already paying
    CAST(r.value AS DOUBLE) AS value, -- the rate; the baseline is weighted as the leads spread over trial days
    CAST(r.unit AS VARCHAR) AS unit, -- rate, or ratio for the lift
    CAST(NULL AS VARCHAR) AS currency, -- no money in this metric
    CAST(CASE WHEN r.share IS NOT NULL THEN greatest(0, (r.share + 1.920729410347062 / r.denominator
        - 1.959963984540054 * sqrt(r.share * (1 - r.share) / r.denominator + 0.960364705173531 / r.denominator / r.denominator))
        / (1 + 3.841458820694124 / r.denominator)) END AS DOUBLE) AS wilson_low, -- lower end of the Wilson 95 % interval; NULL for the weighted baseline and the lift
    CAST(CASE WHEN r.share IS NOT NULL THEN least(1, (r.share + 1.920729410347062 / r.denominator
        + 1.959963984540054 * sqrt(r.share * (1 - r.share) / r.denominator + 0.960364705173531 / r.denominator / r.denominator))
        / (1 + 3.841458820694124 / r.denominator)) END AS DOUBLE) AS wilson_high, -- upper end
    CAST(r.share AS DOUBLE) AS bound_low, -- the rate if nothing pending converts
    CAST(r.ceiling AS DOUBLE) AS bound_high, -- the rate if everything pending converts
    CAST(CASE WHEN r.pending = 0 THEN r.share END AS DOUBLE) AS estimate, -- the rate once nothing is pending, else NULL
    CAST(r.open_ends = 0 AND (r.period_end <= s.as_of_date
        OR (r.period_end = CAST(s.as_of_date + INTERVAL 1 DAY AS DATE) AND s.is_day_complete)) AS BOOLEAN) AS is_final -- nothing is pending and the period is over
FROM rows_of AS r
CROSS JOIN settings AS s
ORDER BY r.period_start, r.place
