-- Records landed again are no longer waiting.
UPDATE raw.quarantine SET retried_at = r.retried_at FROM retried AS r WHERE r.quarantine_id = raw.quarantine.quarantine_id
