/*
description: Usage events counted per announced account, user, day of use and day they became known
grain: one row per announced account, user, activity day and known day
key: [account_key, user_key, activity_date, known_date]
not_null: [events, value_events, feature_mask]
incremental: [account_key, user_key, activity_date]
*/
SELECT
  CAST(e.account_key AS INTEGER) AS account_key, -- announced account, 0 when the call named none
  CAST(e.user_key AS INTEGER) AS user_key, -- announced user, 0 when the call named none
  CAST(e.activity_date AS DATE) AS activity_date, -- reporting day of the use
  CAST(e.known_date AS DATE) AS known_date, -- reporting day the events became known, late ones stand in a row of their own
  CAST(count(*) AS INTEGER) AS events, -- events of any name
  CAST(count(CASE WHEN n.is_value THEN 1 END) AS INTEGER) AS value_events, -- events on the declared value list
  CAST(bit_or(n.feature_bit) AS BIGINT) AS feature_mask, -- union of the features used, one bit each
  CAST(min(e.occurred_at) AS TIMESTAMP) AS first_at, -- first event of any name, UTC
  CAST(max(e.occurred_at) AS TIMESTAMP) AS last_at, -- last event of any name, UTC
  CAST(min(e.known_at) AS TIMESTAMP) AS first_known_at, -- when the first of them was known, UTC
  CAST(max(CASE WHEN n.is_value THEN e.occurred_at END) AS TIMESTAMP) AS last_value_at -- last value event, NULL when there was none, UTC
FROM staging.events AS e
JOIN config.event_catalogue AS n ON n.event_key = e.event_key
CROSS JOIN config.clock AS c
WHERE e.occurred_at < c.as_of AND e.known_at < c.known_at
GROUP BY e.account_key, e.user_key, e.activity_date, e.known_date
