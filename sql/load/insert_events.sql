-- Usage events in arrival order.
INSERT INTO raw.events
SELECT c.event_id, coalesce(a.account_key, 0), coalesce(u.user_key, 0), e.event_key, c.occurred_at, c.known_at,
  local_day(c.occurred_at, $timezone), greatest(local_day(c.known_at, $timezone), local_day(c.occurred_at, $timezone)), c.load_id, c.body_hash
FROM calls AS c
JOIN raw.dim_event AS e ON e.event_name = c.event_name
LEFT JOIN raw.dim_account AS a ON a.account_id = c.account_id
LEFT JOIN raw.dim_user AS u ON u.user_id = c.user_id
WHERE c.reason IS NULL AND c.fate IN ('new', 'replace') AND c.kind IN ('track', 'page', 'screen')
