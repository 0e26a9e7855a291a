/*
description: >
  Use by announced account and user with the account and person it counts for - the account the call names, else its user's; merges followed.
  Internal and test users are left out from the day they were known to be such.
grain: one row per announced account, user, activity day and known day
key: [account_key, user_key, activity_date, announced_date]
not_null: [placed_key, person_key, known_date, events, value_events, feature_mask]
incremental: [account_key, user_key, activity_date]
*/
WITH resolved AS (
  -- an event that names an account belongs to it, whoever sent it; only a nameless one follows its user
  SELECT
    e.account_key, e.user_key, e.activity_date, e.known_date AS announced_date, x.excluded_date,
    coalesce(l.canonical_user_key, e.user_key) AS person_key,
    CASE WHEN e.account_key <> 0 THEN coalesce(m.account_key, e.account_key) ELSE coalesce(n.account_key, l.announced_key) END AS placed_key,
    CASE WHEN e.account_key = 0 AND l.known_date > e.known_date THEN l.known_date ELSE e.known_date END AS linked_date,
    CASE WHEN e.account_key <> 0 THEN m.known_date ELSE n.known_date END AS merged_date,
    e.events, e.value_events, e.feature_mask, e.first_at, e.last_at, e.last_value_at
  FROM intermediate.event_days AS e
  LEFT JOIN intermediate.user_links AS l ON l.user_key = e.user_key
  LEFT JOIN intermediate.users AS x ON x.user_key = e.user_key
  LEFT JOIN intermediate.account_links AS m ON m.announced_key = e.account_key
  LEFT JOIN intermediate.account_links AS n ON n.announced_key = l.announced_key
)

SELECT
  CAST(r.account_key AS INTEGER) AS account_key, -- account as announced, 0 when the call named none
  CAST(r.user_key AS INTEGER) AS user_key, -- user as announced, 0 when the call named none
  CAST(r.activity_date AS DATE) AS activity_date, -- reporting day of the use
  CAST(r.announced_date AS DATE) AS announced_date, -- day the events became known
  CAST(r.placed_key AS INTEGER) AS placed_key, -- account it counts for
  CAST(r.person_key AS INTEGER) AS person_key, -- person it counts for, all ids joined by aliases; 0 when the calls named none
  CAST(CASE WHEN r.merged_date > r.linked_date THEN r.merged_date ELSE r.linked_date END AS DATE) AS known_date, -- day the use AND its account were known
  CAST(r.events AS INTEGER) AS events, -- events of any name
  CAST(r.value_events AS INTEGER) AS value_events, -- value events
  CAST(r.feature_mask AS BIGINT) AS feature_mask, -- union of the features used
  CAST(r.first_at AS TIMESTAMP) AS first_at, -- first event of any name, UTC
  CAST(r.last_at AS TIMESTAMP) AS last_at, -- last event of any name, UTC
  CAST(r.last_value_at AS TIMESTAMP) AS last_value_at -- last value event, NULL when there was none, UTC
FROM resolved AS r
WHERE r.placed_key IS NOT NULL AND (r.excluded_date IS NULL OR r.excluded_date > r.linked_date)
