-- Identity calls in arrival order.
INSERT INTO raw.identities
SELECT c.event_id, c.kind, coalesce(u.user_key, 0), coalesce(a.account_key, 0), coalesce(p.user_key, 0), c.occurred_at, c.known_at,
  greatest(local_day(c.known_at, $timezone), local_day(c.occurred_at, $timezone)), c.payload, c.load_id, c.body_hash
FROM calls AS c
LEFT JOIN raw.dim_account AS a ON a.account_id = c.account_id
LEFT JOIN raw.dim_user AS u ON u.user_id = c.user_id
LEFT JOIN raw.dim_user AS p ON p.user_id = c.previous_id
WHERE c.reason IS NULL AND c.fate IN ('new', 'replace') AND c.kind IN ('identify', 'group', 'alias')
