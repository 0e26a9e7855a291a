-- A copy that was known earlier takes the place of the row loaded before, which is kept for the next refresh to see.
CREATE SCHEMA IF NOT EXISTS state;
CREATE TABLE IF NOT EXISTS state.gone_events AS FROM raw.events LIMIT 0;
INSERT INTO state.gone_events FROM raw.events WHERE event_id IN (SELECT event_id FROM calls WHERE fate = 'replace');
DELETE FROM raw.events WHERE event_id IN (SELECT event_id FROM calls WHERE fate = 'replace')
