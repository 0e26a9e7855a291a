-- The load's own row, in the same transaction as what it brought.
INSERT INTO raw.loads
SELECT load_id, landed_at, $received, $loaded, $duplicate, $quarantined, $declared, first_segment, last_segment, $forgotten FROM taken WHERE load_id = $load_id
