-- Bytes of records refused only after reading.
UPDATE stripe_records SET raw = encode(f.raw)
FROM (SELECT CAST(parse_filename(filename, true) AS INTEGER) AS segment, i, raw
  FROM read_json($paths, format = 'newline_delimited', ignore_errors = true, filename = true,
    columns = {crc: 'VARCHAR', i: 'BIGINT', raw: 'VARCHAR'})) AS f
WHERE stripe_records.reason = 'id_reuse' AND f.segment = stripe_records.segment AND f.i = stripe_records.item
