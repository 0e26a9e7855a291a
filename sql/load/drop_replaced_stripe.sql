-- A copy that was known earlier takes the place of the row loaded before.
DELETE FROM raw.stripe WHERE kind = 'event' AND event_id IN (SELECT event_id FROM stripe_records WHERE kind = 'event' AND fate = 'replace')
