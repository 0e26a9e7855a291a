-- A snapshot that says what the object's previous one said is no news. Only neighbours are compared: a state that
-- comes back after another one is news.
UPDATE stripe_records SET fate = 'duplicate'
FROM (
  WITH seen AS (
    SELECT NULL AS row_id, object_type, object_id, landed_at, load_order AS place, md5(CAST(json_extract(object, '$') AS VARCHAR)) AS body, 0 AS is_new
    FROM raw.stripe
    WHERE kind = 'object' AND object_type IN (SELECT object_type FROM stripe_records WHERE kind = 'object')
    UNION ALL
    SELECT rowid, object_type, object_id, landed_at, row_number() OVER (ORDER BY segment, item), body, 1
    FROM stripe_records WHERE kind = 'object' AND reason IS NULL
  ),
  paired AS (
    SELECT row_id, body, lag(body) OVER (PARTITION BY object_type, coalesce(object_id, '') ORDER BY landed_at, is_new, place) AS before FROM seen
  )
  SELECT row_id FROM paired WHERE row_id IS NOT NULL AND body = before
) AS f
WHERE f.row_id = stripe_records.rowid
