-- Stripe's records of who is forgotten: those that name their account, or anything that is theirs alone.
UPDATE matched SET is_theirs = true
WHERE segment IN (SELECT unnest(getvariable('segments'))) AND (
  (is_telling AND (raw IS NULL OR NOT json_valid(raw)))
  OR EXISTS (SELECT 1 FROM meant AS m WHERE m.kind = 'account' AND list_contains(
    json_extract_string(raw, ['$.client_reference_id', '$.data.object.client_reference_id', '$.object.client_reference_id',
      $metadata_path, '$.data.object' || substr($metadata_path, 2), '$.object' || substr($metadata_path, 2)]), m.name))
  OR list_has_any(words_of(read_text_of(raw)), (SELECT coalesce(list(m.name), []) FROM meant AS m WHERE m.kind = 'stripe')))
