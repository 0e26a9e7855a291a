-- Records without an id are told apart by their occurrence number within the file: the same line twice in one file is
-- two events, the same file's content in another file is no news.
UPDATE calls SET event_id = CAST(md5(concat_ws(chr(31), CAST(calls.content AS VARCHAR), CAST(r.occurrence AS VARCHAR))) AS UUID)
FROM (
  SELECT rowid AS row_id, row_number() OVER (PARTITION BY import_no, content ORDER BY segment, item) AS occurrence
  FROM calls WHERE content IS NOT NULL
) AS r
WHERE r.row_id = calls.rowid
