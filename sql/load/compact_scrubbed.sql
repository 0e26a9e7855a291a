-- Frames of the segments in `segments` as they lie in the Parquet files in `paths`, with what `scrubbed` puts in their place.
CREATE OR REPLACE TEMP VIEW compacting AS
SELECT f.segment,
  CASE WHEN s.i IS NULL THEN f.crc ELSE frame_sum(f.i, f.n, f.o, f.r, f."at", f.bad, s.detail, s.b64, s.env, s.raw) END AS crc,
  f.i, f.n, f.o, f.r, f."at",
  CASE WHEN s.i IS NULL THEN f.raw ELSE s.raw END AS raw, CASE WHEN s.i IS NULL THEN f.env ELSE s.env END AS env, f.bad,
  CASE WHEN s.i IS NULL THEN f.detail ELSE s.detail END AS detail, CASE WHEN s.i IS NULL THEN f.b64 ELSE s.b64 END AS b64
FROM read_parquet(getvariable('paths')) AS f
LEFT JOIN scrubbed AS s ON s.segment = f.segment AND s.i = f.i
WHERE f.segment IN (SELECT unnest(getvariable('segments')))
ORDER BY f.segment, f.i
