-- Records refused by the loads that took a segment or a later one, by reason, most frequent first.
SELECT reason, count(*) AS records
FROM raw.quarantine
WHERE load_id IN (SELECT load_id FROM raw.loads WHERE last_segment >= $since)
GROUP BY reason ORDER BY records DESC, reason
