-- Segment does not say whether previousId was an anonymous id: it is one when only the anonymous id has been seen.
UPDATE calls SET previous_id = 'anon:' || previous_id
WHERE kind = 'alias' AND reason IS NULL
  AND ('anon:' || previous_id IN (SELECT user_id FROM raw.dim_user) OR 'anon:' || previous_id IN (SELECT user_id FROM calls WHERE reason IS NULL))
  AND previous_id NOT IN (SELECT user_id FROM raw.dim_user WHERE user_id IS NOT NULL)
  AND previous_id NOT IN (SELECT user_id FROM calls WHERE reason IS NULL AND user_id IS NOT NULL)
