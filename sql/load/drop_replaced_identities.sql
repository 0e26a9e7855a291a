-- A copy that was known earlier takes the place of the row loaded before, which is kept for the next refresh to see.
CREATE SCHEMA IF NOT EXISTS state;
CREATE TABLE IF NOT EXISTS state.gone_identities AS FROM raw.identities LIMIT 0;
INSERT INTO state.gone_identities FROM raw.identities WHERE call_id IN (SELECT event_id FROM calls WHERE fate = 'replace');
DELETE FROM raw.identities WHERE call_id IN (SELECT event_id FROM calls WHERE fate = 'replace')
