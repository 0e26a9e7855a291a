-- Bytes of records refused only after reading.
UPDATE calls SET raw = encode(f.raw)
FROM (SELECT CAST(parse_filename(filename, true) AS INTEGER) AS segment, i, raw
  FROM read_json($paths, format = 'newline_delimited', ignore_errors = true, filename = true,
    columns = {crc: 'VARCHAR', i: 'BIGINT', raw: 'VARCHAR'})) AS f
WHERE calls.reason = 'id_reuse' AND f.segment = calls.segment AND f.i = calls.item
