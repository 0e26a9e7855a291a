-- One id, several records: the body that came first owns the id; of records with that body the least
-- (known_at, load order) stays, another body is refused.
UPDATE calls SET reason = f.reason, fate = f.fate, detail = f.detail
FROM (
  WITH owned AS (
    SELECT c.rowid AS row_id, c.event_id, c.known_at, c.segment, c.item, c.body_hash, k.known_at AS stored_known_at,
      coalesce(k.body_hash, first_value(c.body_hash) OVER (PARTITION BY c.event_id ORDER BY c.known_at, c.segment, c.item)) AS owner_hash
    FROM calls AS c JOIN contested AS k ON k.event_id = c.event_id
    WHERE c.reason IS NULL
  ),
  placed AS (
    SELECT *, row_number() OVER (PARTITION BY event_id, body_hash ORDER BY known_at, segment, item) AS place FROM owned
  )
  SELECT row_id,
    CASE WHEN body_hash <> owner_hash THEN 'id_reuse' END AS reason,
    CASE WHEN body_hash <> owner_hash THEN NULL
      WHEN place > 1 THEN 'duplicate'
      WHEN stored_known_at IS NULL THEN 'new'
      WHEN known_at < stored_known_at THEN 'replace'
      ELSE 'duplicate' END AS fate,
    CASE WHEN body_hash <> owner_hash THEN 'another body came first under the id ' || CAST(event_id AS VARCHAR) END AS detail
  FROM placed
) AS f
WHERE f.row_id = calls.rowid
