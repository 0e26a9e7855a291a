-- Keys for users not seen before.
INSERT INTO raw.dim_user
SELECT (SELECT max(user_key) FROM raw.dim_user) + row_number() OVER (ORDER BY n.user_id), n.user_id
FROM (
  SELECT user_id FROM calls WHERE reason IS NULL AND user_id IS NOT NULL
  UNION
  SELECT previous_id FROM calls WHERE reason IS NULL AND previous_id IS NOT NULL
) AS n
WHERE n.user_id NOT IN (SELECT user_id FROM raw.dim_user WHERE user_id IS NOT NULL)
