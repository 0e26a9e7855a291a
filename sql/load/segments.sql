-- What these loads take: one row per landing segment, filled from the manifest.
CREATE OR REPLACE TEMP TABLE segments (segment INTEGER, import_no INTEGER, source VARCHAR, file VARCHAR, records BIGINT, landed_at TIMESTAMP, is_live BOOLEAN, load_id INTEGER)
