-- Records without an id are told apart by their occurrence number within the file or request: the same line twice in one
-- file is two events, the same content in another file or request is no news. A journal numbers its requests from 0.
UPDATE calls SET event_id = CAST(md5(concat_ws(chr(31), CAST(calls.content AS VARCHAR), CAST(r.occurrence AS VARCHAR))) AS UUID)
FROM (
  SELECT rowid AS row_id, row_number() OVER (PARTITION BY import_no, CASE WHEN request IS NOT NULL THEN segment END, request, content ORDER BY segment, item) AS occurrence
  FROM calls WHERE content IS NOT NULL
) AS r
WHERE r.row_id = calls.rowid
