-- Stripe sends an event many times: the first body owns the id (type, created, object id; renderings differ),
-- the least (known_at, load order) stays, another body under the id is refused.
UPDATE stripe_records SET reason = f.reason, fate = f.fate, detail = f.detail
FROM (
  WITH owned AS (
    SELECT c.rowid AS row_id, c.event_id, c.known_at, c.segment, c.item, c.body, k.known_at AS stored_known_at,
      coalesce(CASE WHEN k.event_id IS NOT NULL THEN concat_ws(chr(31), k.event_type, CAST(epoch(k.created_at) AS BIGINT), coalesce(k.object_id, '')) END,
        first_value(c.body) OVER (PARTITION BY c.event_id ORDER BY c.known_at, c.segment, c.item)) AS owner_body
    FROM stripe_records AS c LEFT JOIN raw.stripe AS k ON k.kind = 'event' AND k.event_id = c.event_id
    WHERE c.reason IS NULL AND c.kind = 'event'
  ),
  placed AS (
    SELECT *, row_number() OVER (PARTITION BY event_id, body ORDER BY known_at, segment, item) AS place FROM owned
  )
  SELECT row_id,
    CASE WHEN body <> owner_body THEN 'id_reuse' END AS reason,
    CASE WHEN body <> owner_body THEN NULL
      WHEN place > 1 THEN 'duplicate'
      WHEN stored_known_at IS NULL THEN 'new'
      WHEN known_at < stored_known_at THEN 'replace'
      ELSE 'duplicate' END AS fate,
    CASE WHEN body <> owner_body THEN 'another event came first under the id ' || event_id END AS detail
  FROM placed
) AS f
WHERE f.row_id = stripe_records.rowid
