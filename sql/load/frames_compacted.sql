-- The frames of the segments in the variable `segments`, from the Parquet files in `paths`: whole as they were written.
CREATE OR REPLACE TEMP VIEW frames AS
SELECT f.segment, f.i, f.n, f.o, f.r, TRY_CAST(f."at" AS TIMESTAMP) AS arrived_at, f.raw, f.env, f.bad, f.detail, f.b64
FROM read_parquet(getvariable('paths')) AS f
WHERE f.segment IN (SELECT unnest(getvariable('segments')))
  AND f.crc = frame_sum(f.i, f.n, f.o, f.r, f."at", f.bad, f.detail, f.b64, f.env, f.raw)
