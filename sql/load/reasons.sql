-- Refused records of these loads by reason, most frequent first.
SELECT reason, count(*) AS records FROM raw.quarantine WHERE load_id IN (SELECT load_id FROM taken) GROUP BY reason ORDER BY records DESC, reason
