-- Frames of the NDJSON segments in `paths` as they are, for a Parquet file; what is no line of JSON is left out.
CREATE OR REPLACE TEMP VIEW compacting AS
SELECT CAST(parse_filename(f.filename, true) AS INTEGER) AS segment, f.crc, f.i, f.n, f.o, f.r, f."at", f.raw, f.env, f.bad, f.detail, f.b64
FROM read_json(getvariable('paths'), format = 'newline_delimited', ignore_errors = true, filename = true,
  columns = {crc: 'VARCHAR', i: 'BIGINT', n: 'BIGINT', o: 'BIGINT', r: 'BIGINT', "at": 'VARCHAR', raw: 'VARCHAR', env: 'VARCHAR', bad: 'VARCHAR', detail: 'VARCHAR', b64: 'VARCHAR'}) AS f
WHERE f.crc IS NOT NULL
