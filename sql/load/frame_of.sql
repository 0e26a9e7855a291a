-- What stands around a quarantined record in its frame.
SELECT env, arrived_at FROM frames WHERE quarantine_key(segment, i) = CAST($quarantine_id AS UUID)
