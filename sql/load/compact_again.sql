-- Frames of the segments in `segments` as they lie in the Parquet files in `paths`, for another one.
CREATE OR REPLACE TEMP VIEW compacting AS
SELECT f.* FROM read_parquet(getvariable('paths')) AS f WHERE f.segment IN (SELECT unnest(getvariable('segments')))
