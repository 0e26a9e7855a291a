-- Users that calls of who is forgotten name, and their addresses; an alias may mean an anonymous id by its previous one.
SELECT DISTINCT c.user_id, c.previous_id, CASE WHEN c.kind = 'alias' AND NOT starts_with(c.previous_id, 'anon:') THEN 'anon:' || c.previous_id END,
  CASE WHEN c.kind = 'identify' AND contains(c.payload ->> '$.email', '@') THEN lower(trim(c.payload ->> '$.email')) END
FROM calls AS c JOIN matched AS m ON m.segment = c.segment AND m.i = c.item
WHERE m.is_theirs AND c.reason IS NULL AND c.user_id IS NOT NULL
