-- A copy that was known earlier takes the place of the row loaded before, which is kept for the next refresh to see.
CREATE SCHEMA IF NOT EXISTS state;
CREATE TABLE IF NOT EXISTS state.gone_stripe AS FROM raw.stripe LIMIT 0;
INSERT INTO state.gone_stripe FROM raw.stripe WHERE kind = 'event' AND event_id IN (SELECT event_id FROM stripe_records WHERE kind = 'event' AND fate = 'replace');
DELETE FROM raw.stripe WHERE kind = 'event' AND event_id IN (SELECT event_id FROM stripe_records WHERE kind = 'event' AND fate = 'replace')
