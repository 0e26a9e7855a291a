/*
description: Use per canonical account and person, internal and test users left out from the day they were known to be such
grain: one row per account, user, activity day and known day
key: [account_key, user_key, activity_date, known_date]
not_null: [account_id, events, value_events, capped_events, feature_mask]
incremental: [account_key, user_key, activity_date]
checks:
  - name: the_cap_only_takes_away
    level: fail
    sql: SELECT account_key, user_key, activity_date, known_date FROM intermediate.user_days WHERE capped_events > value_events OR capped_events < 0
*/
WITH days AS (
  SELECT
    r.account_key,
    r.user_key,
    r.activity_date,
    r.known_date,
    CAST(sum(r.events) AS INTEGER) AS events,
    CAST(sum(r.value_events) AS INTEGER) AS value_events,
    bit_or(r.feature_mask) AS feature_mask,
    min(r.first_at) AS first_at,
    max(r.last_at) AS last_at,
    max(r.last_value_at) AS last_value_at
  FROM intermediate.resolved_days AS r
  GROUP BY r.account_key, r.user_key, r.activity_date, r.known_date
),

known_so_far AS (
  SELECT
    d.*,
    CAST(sum(d.value_events) OVER (
      PARTITION BY d.account_key, d.user_key, d.activity_date ORDER BY d.known_date
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS INTEGER) AS so_far
  FROM days AS d
)

SELECT
  CAST(k.account_key AS INTEGER) AS account_key, -- canonical account, physical
  CAST(a.account_id AS VARCHAR) AS account_id, -- canonical account
  CAST(k.user_key AS INTEGER) AS user_key, -- person, all ids joined by aliases; 0 when the calls named none
  CAST(k.activity_date AS DATE) AS activity_date, -- reporting day of the use
  CAST(k.known_date AS DATE) AS known_date, -- day the use AND its account were known
  CAST(k.events AS INTEGER) AS events, -- events of any name
  CAST(k.value_events AS INTEGER) AS value_events, -- value events
  -- an increment, so that the rows of a day add up to the cap however late they arrive
  CAST(least(p.events_per_day_cap, k.so_far) - least(p.events_per_day_cap, k.so_far - k.value_events) AS INTEGER) AS capped_events, -- value events that still fit under the day's cap
  CAST(k.feature_mask AS BIGINT) AS feature_mask, -- union of the features used
  CAST(k.first_at AS TIMESTAMP) AS first_at, -- first event of any name, UTC
  CAST(k.last_at AS TIMESTAMP) AS last_at, -- last event of any name, UTC
  CAST(k.last_value_at AS TIMESTAMP) AS last_value_at -- last value event, NULL when there was none, UTC
FROM known_so_far AS k
CROSS JOIN config.parameters AS p
INNER JOIN staging.accounts AS a ON a.account_key = k.account_key
