/*
description: The account of every e-mail address - that of the user first known to have both, the address and an account.
grain: one row per address
key: [email]
not_null: [email, account_id, known_at]
incremental: [email]
*/
WITH people AS (
  SELECT
    a.email, l.account_id, greatest(a.known_at, l.known_at) AS known_at,
    row_number() OVER (PARTITION BY a.email ORDER BY greatest(a.known_at, l.known_at), a.place) AS place
  FROM intermediate.user_addresses AS a
  INNER JOIN intermediate.user_links AS l ON l.user_key = a.user_key
)

SELECT
  CAST(p.email AS VARCHAR) AS email, -- address, lower case
  CAST(p.account_id AS VARCHAR) AS account_id, -- account, as announced
  CAST(p.known_at AS TIMESTAMP) AS known_at -- when the two were known
FROM people AS p
WHERE p.place = 1
