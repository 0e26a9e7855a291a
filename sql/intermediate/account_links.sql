/*
description: >
  Merged accounts: an event of role account_merged says that previous_account_id went into the event's account. The merge known first
  wins; chains are followed for up to 16 steps; a cycle merges nobody. Accounts that are not here are themselves.
grain: one row per account that was merged away
key: [announced_key]
not_null: [announced_key, account_key, known_at, known_date]
*/
WITH announced AS (
  SELECT
    old.account_key AS announced_key, m.account_key AS next_key, m.known_at, m.known_date,
    row_number() OVER (PARTITION BY old.account_key ORDER BY m.known_at, m.occurred_at, survivor.account_id) AS place
  FROM intermediate.notable_events AS m
  INNER JOIN staging.account_merges AS p ON p.event_id = m.event_id
  INNER JOIN staging.accounts AS old ON old.account_id = p.previous_account_id
  INNER JOIN staging.accounts AS survivor ON survivor.account_key = m.account_key
  WHERE m.role = 'account_merged' AND m.account_key <> 0 AND old.account_key <> m.account_key
),

step_1 AS (
  SELECT a.announced_key, a.next_key, a.known_at, a.known_date FROM announced AS a WHERE a.place = 1
),

step_2 AS (
  SELECT s.announced_key, coalesce(n.next_key, s.next_key) AS next_key, greatest(s.known_at, coalesce(n.known_at, s.known_at)) AS known_at, greatest(s.known_date, coalesce(n.known_date, s.known_date)) AS known_date
  FROM step_1 AS s LEFT JOIN step_1 AS n ON n.announced_key = s.next_key
),

step_4 AS (
  SELECT s.announced_key, coalesce(n.next_key, s.next_key) AS next_key, greatest(s.known_at, coalesce(n.known_at, s.known_at)) AS known_at, greatest(s.known_date, coalesce(n.known_date, s.known_date)) AS known_date
  FROM step_2 AS s LEFT JOIN step_2 AS n ON n.announced_key = s.next_key
),

step_8 AS (
  SELECT s.announced_key, coalesce(n.next_key, s.next_key) AS next_key, greatest(s.known_at, coalesce(n.known_at, s.known_at)) AS known_at, greatest(s.known_date, coalesce(n.known_date, s.known_date)) AS known_date
  FROM step_4 AS s LEFT JOIN step_4 AS n ON n.announced_key = s.next_key
),

step_16 AS (
  SELECT s.announced_key, coalesce(n.next_key, s.next_key) AS next_key, greatest(s.known_at, coalesce(n.known_at, s.known_at)) AS known_at, greatest(s.known_date, coalesce(n.known_date, s.known_date)) AS known_date
  FROM step_8 AS s LEFT JOIN step_8 AS n ON n.announced_key = s.next_key
)

SELECT
  CAST(s.announced_key AS INTEGER) AS announced_key, -- account as announced, merged away
  CAST(s.next_key AS INTEGER) AS account_key, -- account it went into at last
  CAST(s.known_at AS TIMESTAMP) AS known_at, -- when the last step of the chain was known
  CAST(s.known_date AS DATE) AS known_date -- reporting day from which the merge holds
FROM step_16 AS s
LEFT JOIN step_1 AS further ON further.announced_key = s.next_key
WHERE further.announced_key IS NULL -- an end that leads on is a cycle or too long a chain
