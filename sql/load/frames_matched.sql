-- The frames of `matched` from `segments`, as the reading of records takes them.
CREATE OR REPLACE TEMP VIEW frames AS SELECT * EXCLUDE (is_theirs, is_telling) FROM matched WHERE segment IN (SELECT unnest(getvariable('segments')))
