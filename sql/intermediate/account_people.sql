/*
description: The users of an account after merges; intermediate.placed_users by the account they belong to.
grain: one row per announced account and user
key: [announced_key, user_key]
not_null: [account_key, user_key, known_date]
materialized: view
*/
SELECT
  CAST(p.placed_key AS INTEGER) AS account_key, -- account after merges
  CAST(p.account_key AS INTEGER) AS announced_key, -- account as announced, 0 for none
  CAST(p.user_key AS INTEGER) AS user_key, -- user as announced, 0 for none
  CAST(p.canonical_user_key AS INTEGER) AS canonical_user_key, -- the person; NULL where nobody is named
  CAST(p.known_date AS DATE) AS known_date, -- reporting day from which the user is known to belong to the account
  CAST(p.first_at AS TIMESTAMP) AS first_at, -- first time seen in it
  CAST(p.last_at AS TIMESTAMP) AS last_at, -- last time
  CAST(p.events AS BIGINT) AS events -- events in it
FROM intermediate.placed_users AS p
