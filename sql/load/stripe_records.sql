-- Stripe events and snapshots of these loads after reading.
CREATE OR REPLACE TEMP TABLE stripe_records (
  segment INTEGER, item BIGINT, line BIGINT, byte_offset BIGINT,
  kind VARCHAR, event_id VARCHAR, event_type VARCHAR, object_type VARCHAR, object_id VARCHAR, livemode BOOLEAN, api_version VARCHAR,
  created_at TIMESTAMP, known_at TIMESTAMP, landed_at TIMESTAMP, object VARCHAR, previous VARCHAR, body VARCHAR,
  reason VARCHAR, detail VARCHAR, raw BLOB, fate VARCHAR, load_id INTEGER
)
