-- Keys for users not seen before, in the order of the loads that name them.
INSERT INTO raw.dim_user
SELECT (SELECT max(user_key) FROM raw.dim_user) + row_number() OVER (ORDER BY n.load_id, n.user_id), n.user_id
FROM (
  SELECT user_id, min(load_id) AS load_id
  FROM (
    SELECT user_id, load_id FROM calls WHERE reason IS NULL
    UNION ALL
    SELECT previous_id, load_id FROM calls WHERE reason IS NULL
  ) AS c
  WHERE user_id IS NOT NULL GROUP BY user_id
) AS n
WHERE n.user_id NOT IN (SELECT user_id FROM raw.dim_user WHERE user_id IS NOT NULL)
