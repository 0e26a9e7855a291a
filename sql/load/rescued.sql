-- Some rows of the damaged Parquet file in `paths`, changed ones too. The row tells the segment: its column has no checksum,
-- and a whole frame that the column puts into another segment is left out.
CREATE OR REPLACE TEMP VIEW rescued AS
SELECT p.segment, f.crc, f.i, f.n, f.o, f.r, f."at", f.raw, f.env, f.bad, f.detail, f.b64
FROM (
  SELECT * FROM read_parquet(getvariable('paths'), file_row_number = true)
  WHERE file_row_number BETWEEN getvariable('rows')[1] AND getvariable('rows')[2]
) AS f
JOIN places AS p ON f.file_row_number >= p.first_row AND f.file_row_number < p.end_row
WHERE f.segment = p.segment OR f.crc IS DISTINCT FROM frame_sum(f.i, f.n, f.o, f.r, f."at", f.bad, f.detail, f.b64, f.env, f.raw)
