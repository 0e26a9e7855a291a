-- Accounts in which each of $users, ids and addresses, was seen, under any of the ids that calls have said to be the same user's.
WITH RECURSIVE same AS (
  SELECT u.user_id, u.user_key FROM raw.dim_user AS u WHERE list_contains($users, u.user_id)
  UNION
  SELECT lower(trim(i.traits ->> '$.email')), i.user_key
  FROM raw.identities AS i
  WHERE i.kind = 'identify' AND contains(i.traits, '@') AND list_contains($users, lower(trim(i.traits ->> '$.email')))
  UNION
  SELECT s.user_id, CASE WHEN i.user_key = s.user_key THEN i.previous_user_key ELSE i.user_key END
  FROM same AS s JOIN raw.identities AS i ON i.previous_user_key <> 0 AND i.user_key <> 0 AND (i.user_key = s.user_key OR i.previous_user_key = s.user_key)
),
seen AS (
  SELECT s.user_id, e.account_key FROM same AS s JOIN raw.events AS e ON e.user_key = s.user_key
  UNION
  SELECT s.user_id, i.account_key FROM same AS s JOIN raw.identities AS i ON i.user_key = s.user_key
)
SELECT DISTINCT n.user_id, a.account_id FROM seen AS n JOIN raw.dim_account AS a ON a.account_key = n.account_key WHERE n.account_key <> 0
