-- Calls of who is forgotten. One that names nobody else speaks of them alone, as an e-mail provider's does by the address.
UPDATE matched SET is_theirs = true
FROM calls AS c
WHERE c.segment = matched.segment AND c.item = matched.i
  AND (
    (matched.is_telling AND c.account_id IS NULL AND c.user_id IS NULL)
    OR EXISTS (SELECT 1 FROM meant AS m WHERE (m.kind = 'account' AND m.name = c.account_id)
      OR (m.kind = 'user' AND (m.name = c.user_id OR m.name = c.previous_id OR m.name = 'anon:' || c.previous_id)))
  )
