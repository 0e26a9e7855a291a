-- A copy that was known earlier takes the place of the row loaded before.
DELETE FROM raw.events WHERE event_id IN (SELECT event_id FROM calls WHERE fate = 'replace')
