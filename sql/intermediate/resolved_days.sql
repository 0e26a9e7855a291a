/*
description: Use by account and person; intermediate.placed_days by whom it counts for.
grain: one row per announced account, user, activity day and known day
key: [announced_key, announced_user_key, activity_date, announced_date]
not_null: [account_key, user_key, activity_date, known_date]
materialized: view
*/
SELECT
  CAST(p.placed_key AS INTEGER) AS account_key, -- canonical account
  CAST(p.person_key AS INTEGER) AS user_key, -- person; 0 when the calls named none
  CAST(p.account_key AS INTEGER) AS announced_key, -- account as announced, 0 when the call named none
  CAST(p.user_key AS INTEGER) AS announced_user_key, -- user as announced, 0 when the call named none
  CAST(p.announced_date AS DATE) AS announced_date, -- day the events became known
  CAST(p.activity_date AS DATE) AS activity_date, -- reporting day of the use
  CAST(p.known_date AS DATE) AS known_date, -- day the use AND its account were known
  CAST(p.events AS INTEGER) AS events, -- events of any name
  CAST(p.value_events AS INTEGER) AS value_events, -- value events
  CAST(p.feature_mask AS BIGINT) AS feature_mask, -- union of the features used
  CAST(p.first_at AS TIMESTAMP) AS first_at, -- first event of any name, UTC
  CAST(p.last_at AS TIMESTAMP) AS last_at, -- last event of any name, UTC
  CAST(p.last_value_at AS TIMESTAMP) AS last_value_at -- last value event, NULL when there was none, UTC
FROM intermediate.placed_days AS p
