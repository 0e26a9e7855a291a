-- One quarantined record by its id or the beginning of it.
SELECT CAST(quarantine_id AS VARCHAR), source, file, line, byte_offset, reason, detail, raw, landed_at, retried_at, segment
FROM raw.quarantine WHERE starts_with(CAST(quarantine_id AS VARCHAR), lower($prefix)) ORDER BY quarantine_id LIMIT 2
