/*
description: Notable events with the account they belong to - the one the event names, else its user's; merges followed.
grain: one row per event that has an account
key: [event_id]
not_null: [event_id, event_key, announced_key, account_key, is_named, is_excluded, occurred_at, activity_date, told_at, known_at, known_date]
incremental: [event_id]
*/
WITH linked AS (
  SELECT
    e.event_id, e.event_key, e.role, e.user_key, e.occurred_at, e.activity_date, e.known_at AS told_at, e.account_key <> 0 AS is_named,
    CASE WHEN e.account_key <> 0 THEN e.account_key ELSE l.announced_key END AS announced_key,
    CASE WHEN e.account_key <> 0 THEN coalesce(m.account_key, e.account_key) ELSE coalesce(n.account_key, l.announced_key) END AS account_key,
    CASE WHEN e.account_key <> 0 OR l.known_at IS NULL OR e.known_at > l.known_at THEN e.known_at ELSE l.known_at END AS known_at,
    CASE WHEN e.account_key <> 0 OR l.known_date IS NULL OR e.known_date > l.known_date THEN e.known_date ELSE l.known_date END AS linked_date,
    CASE WHEN e.account_key <> 0 THEN m.known_date ELSE n.known_date END AS merged_date,
    coalesce(u.excluded_date <= e.known_date, false) AS is_excluded
  FROM intermediate.notable_events AS e
  LEFT JOIN intermediate.user_links AS l ON l.user_key = e.user_key
  LEFT JOIN intermediate.users AS u ON u.user_key = e.user_key
  LEFT JOIN intermediate.account_links AS m ON m.announced_key = e.account_key
  LEFT JOIN intermediate.account_links AS n ON n.announced_key = l.announced_key
)

SELECT
  CAST(k.event_id AS VARCHAR) AS event_id, -- the event
  CAST(k.event_key AS INTEGER) AS event_key, -- key of its name
  CAST(k.role AS VARCHAR) AS role, -- what the name stands for; NULL when it reaches a milestone alone
  CAST(k.announced_key AS INTEGER) AS announced_key, -- account it speaks of
  CAST(k.account_key AS INTEGER) AS account_key, -- account that one has become
  CAST(k.is_named AS BOOLEAN) AS is_named, -- whether the event names the account itself
  CAST(k.is_excluded AS BOOLEAN) AS is_excluded, -- whether its user was known to be excluded when it was told
  CAST(k.occurred_at AS TIMESTAMP) AS occurred_at, -- when it happened
  CAST(k.activity_date AS DATE) AS activity_date, -- reporting day of it
  CAST(k.told_at AS TIMESTAMP) AS told_at, -- when the event was known
  CAST(k.known_at AS TIMESTAMP) AS known_at, -- when it was known with the announced account
  CAST(greatest(k.linked_date, coalesce(k.merged_date, k.linked_date)) AS DATE) AS known_date -- reporting day from which it may be used for the account
FROM linked AS k
WHERE k.announced_key IS NOT NULL
