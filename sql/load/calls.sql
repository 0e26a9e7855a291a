-- Usage and identity calls of these loads after reading, before identity of records is settled.
CREATE OR REPLACE TEMP TABLE calls (
  segment INTEGER, import_no INTEGER, item BIGINT, line BIGINT, byte_offset BIGINT, request BIGINT,
  kind VARCHAR, event_name VARCHAR, account_id VARCHAR, user_id VARCHAR, previous_id VARCHAR,
  event_id UUID, content UUID, occurred_at TIMESTAMP, known_at TIMESTAMP, body_hash UBIGINT, payload VARCHAR,
  reason VARCHAR, detail VARCHAR, raw BLOB, fate VARCHAR, landed_at TIMESTAMP, load_id INTEGER
)
