-- Whole frames of each segment of `segments` in the Parquet file $path, as read back.
SELECT f.segment, count(*) FROM read_parquet($path) AS f
WHERE f.segment IN (SELECT unnest(getvariable('segments'))) AND f.crc = frame_sum(f.i, f.n, f.o, f.r, f."at", f.bad, f.detail, f.b64, f.env, f.raw)
GROUP BY f.segment
