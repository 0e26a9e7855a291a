-- The frames of the segments in the variable `paths`, whole as they were written: what broke is left to `damaged`.
CREATE OR REPLACE TEMP VIEW frames AS
SELECT CAST(parse_filename(f.filename, true) AS INTEGER) AS segment, f.i, f.n, f.o, f.r, TRY_CAST(f."at" AS TIMESTAMP) AS arrived_at, f.raw, f.env, f.bad, f.detail, f.b64
FROM read_json(getvariable('paths'), format = 'newline_delimited', ignore_errors = true, filename = true,
  columns = {crc: 'VARCHAR', i: 'BIGINT', n: 'BIGINT', o: 'BIGINT', r: 'BIGINT', "at": 'VARCHAR', raw: 'VARCHAR', env: 'VARCHAR', bad: 'VARCHAR', detail: 'VARCHAR', b64: 'VARCHAR'}) AS f
WHERE f.crc = frame_sum(f.i, f.n, f.o, f.r, f."at", f.bad, f.detail, f.b64, f.env, f.raw)
