-- Stripe events and snapshots in arrival order, which is that of segments and of records in them.
INSERT INTO raw.stripe
SELECT
  CAST(CASE kind WHEN 'event' THEN md5(event_id)
    ELSE md5(concat_ws(chr(31), object_type, coalesce(object_id, ''), body, CAST(landed_at AS VARCHAR), CAST(segment AS VARCHAR), CAST(item AS VARCHAR))) END AS UUID),
  kind, event_id, event_type, object_type, object_id, livemode, api_version, created_at, known_at, landed_at, object, previous,
  (CAST(segment AS BIGINT) << 32) + item, load_id
FROM stripe_records
WHERE reason IS NULL AND fate IN ('new', 'replace')
ORDER BY segment, item
