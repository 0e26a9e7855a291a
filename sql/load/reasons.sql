-- Refused records of a load by reason, most frequent first.
SELECT reason, count(*) AS records FROM raw.quarantine WHERE load_id = $load_id GROUP BY reason ORDER BY records DESC, reason
