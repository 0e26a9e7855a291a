-- Refused records with their place and bytes; the detail is for reading, the bytes tell all. Of who was forgotten nothing is left.
INSERT INTO raw.quarantine
SELECT quarantine_key(r.segment, r.item),
  s.source, s.file, r.line, r.byte_offset, r.reason, left(r.detail, 200), r.raw, coalesce(r.landed_at, s.landed_at), s.load_id, NULL, r.segment
FROM (
  SELECT segment, item, line, byte_offset, reason, detail, raw, landed_at FROM calls WHERE reason <> 'forgotten'
  UNION ALL
  SELECT segment, item, line, byte_offset, reason, detail, raw, landed_at FROM stripe_records WHERE reason <> 'forgotten'
  UNION ALL
  SELECT segment, item, line, byte_offset, reason, detail, raw, NULL FROM damaged
) AS r
JOIN segments AS s ON s.segment = r.segment
ORDER BY r.segment, r.item
