-- Quarantined records, newest first; $reason and $source NULL for all, $waiting false to see retried ones too.
SELECT CAST(quarantine_id AS VARCHAR) AS quarantine_id, source, file, line, byte_offset, reason, detail, octet_length(raw) AS bytes, landed_at, retried_at
FROM raw.quarantine
WHERE ($reason IS NULL OR reason = $reason) AND ($source IS NULL OR source = $source) AND (retried_at IS NULL OR NOT $waiting)
ORDER BY landed_at DESC, file, line, byte_offset, quarantine_id
LIMIT $most
