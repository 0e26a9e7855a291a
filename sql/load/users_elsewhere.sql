-- Which of $users, ids and addresses, calls name with an account that is none of $accounts.
SELECT DISTINCT unnest(named) AS user_id
FROM (
  SELECT [c.user_id, c.previous_id, 'anon:' || c.previous_id, CASE WHEN c.kind = 'identify' THEN lower(trim(c.payload ->> '$.email')) END] AS named
  FROM calls AS c
  WHERE c.reason IS NULL AND c.account_id IS NOT NULL AND NOT list_contains($accounts, c.account_id)
) AS n
WHERE list_has_any($users, named)
