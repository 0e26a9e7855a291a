/*
description: Identify and group calls with the account they belong to - the one the call names, else its user's; merges followed.
grain: one row per call that has an account
key: [call_id]
not_null: [call_id, kind, account_key, is_named, is_excluded, occurred_at, told_at, known_at, known_date]
accepted: {kind: [identify, group]}
incremental: [call_id]
*/
WITH linked AS (
  SELECT
    i.call_id, i.kind, i.occurred_at, i.known_at AS told_at, i.name, i.domain, i.owner, i.created_at, i.channel, i.touch, i.traits, i.account_key <> 0 AS is_named,
    CASE WHEN i.account_key <> 0 THEN coalesce(m.account_key, i.account_key) ELSE coalesce(n.account_key, l.announced_key) END AS account_key,
    greatest(i.known_at, CASE WHEN i.account_key <> 0 THEN i.known_at ELSE coalesce(l.known_at, i.known_at) END) AS linked_at,
    greatest(i.known_date, CASE WHEN i.account_key <> 0 THEN i.known_date ELSE coalesce(l.known_date, i.known_date) END) AS linked_date,
    CASE WHEN i.account_key <> 0 THEN m.known_at ELSE n.known_at END AS merged_at, CASE WHEN i.account_key <> 0 THEN m.known_date ELSE n.known_date END AS merged_date,
    coalesce(u.excluded_date <= i.known_date, false) AS is_excluded
  FROM staging.identities AS i
  CROSS JOIN config.clock AS c
  LEFT JOIN intermediate.user_links AS l ON l.user_key = i.user_key
  LEFT JOIN intermediate.users AS u ON u.user_key = i.user_key
  LEFT JOIN intermediate.account_links AS m ON m.announced_key = i.account_key
  LEFT JOIN intermediate.account_links AS n ON n.announced_key = l.announced_key
  WHERE i.occurred_at < c.as_of AND i.known_at < c.known_at AND i.kind IN ('identify', 'group')
)

SELECT
  CAST(k.call_id AS VARCHAR) AS call_id, -- id of the call
  CAST(k.kind AS VARCHAR) AS kind, -- identify or group
  CAST(k.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(k.is_named AS BOOLEAN) AS is_named, -- whether the call names the account itself
  CAST(k.is_excluded AS BOOLEAN) AS is_excluded, -- whether its user was known to be excluded when it was told
  CAST(k.occurred_at AS TIMESTAMP) AS occurred_at, -- when it was said
  CAST(k.told_at AS TIMESTAMP) AS told_at, -- when the call was known
  CAST(greatest(k.linked_at, coalesce(k.merged_at, k.linked_at)) AS TIMESTAMP) AS known_at, -- when it was known with the links it needed
  CAST(greatest(k.linked_date, coalesce(k.merged_date, k.linked_date)) AS DATE) AS known_date, -- reporting day from which it may be used for the account
  CAST(k.name AS VARCHAR) AS name, -- trait name
  CAST(k.domain AS VARCHAR) AS domain, -- trait domain or website
  CAST(k.owner AS VARCHAR) AS owner, -- sales person named
  CAST(k.created_at AS TIMESTAMP) AS created_at, -- trait createdAt
  CAST(k.channel AS VARCHAR) AS channel, -- how they came, said in so many words
  CAST(k.touch AS VARCHAR) AS touch, -- how they came, told by utm or referrer
  CAST(k.traits AS VARCHAR) AS traits -- JSON text of all traits as sent
FROM linked AS k
WHERE k.account_key IS NOT NULL
