-- Frames of a compacted segment, read from `paths`, that are not what was written.
SELECT f.i, f.n, f.o, f.raw FROM read_parquet(getvariable('paths')) AS f
WHERE f.segment = $segment AND f.crc IS DISTINCT FROM frame_sum(f.i, f.n, f.o, f.r, f."at", f.bad, f.detail, f.b64, f.env, f.raw)
ORDER BY f.i
