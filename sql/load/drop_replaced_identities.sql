-- A copy that was known earlier takes the place of the row loaded before.
DELETE FROM raw.identities WHERE call_id IN (SELECT event_id FROM calls WHERE fate = 'replace')
