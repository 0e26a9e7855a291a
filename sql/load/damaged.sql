-- Frames of landing segments that cannot be read any more, or are gone.
CREATE OR REPLACE TEMP TABLE damaged (segment INTEGER, item BIGINT, reason VARCHAR, detail VARCHAR, raw BLOB, line BIGINT, byte_offset BIGINT)
