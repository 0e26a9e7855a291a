/*
description: Records that could not be used, each with its place, the reason and its bytes, so that it can be mended and retried.
grain: one row per refused record
key: [quarantine_id]
not_null: [quarantine_id, source, reason, landed_at, load_id]
*/
CREATE TABLE IF NOT EXISTS raw.quarantine (
  quarantine_id UUID NOT NULL, -- md5 of segment and place in it, stable over rebuilds
  source VARCHAR NOT NULL, -- kind of input: events or stripe
  file VARCHAR, -- name of the file the record came in
  line BIGINT, -- line in that file, from 1; row number for CSV and Parquet
  byte_offset BIGINT, -- offset of the record in the (decompressed) file; NULL for CSV and Parquet rows
  reason VARCHAR NOT NULL, -- slug, such as bad_utf8, bad_json, bad_timestamp, placeholder_id, id_reuse
  detail VARCHAR, -- what was found, for people
  raw BLOB, -- the record's bytes as received
  landed_at TIMESTAMP NOT NULL, -- our clock when the file was landed or the request came
  load_id INTEGER NOT NULL, -- load that refused it
  retried_at TIMESTAMP, -- when it was landed again; NULL while it waits
  segment INTEGER -- landing segment that holds it
)
