-- Fate of this load's records: loaded, duplicate, quarantined.
SELECT count(*) FILTER (WHERE r.fate = 'loaded'), count(*) FILTER (WHERE r.fate = 'duplicate'), count(*) FILTER (WHERE r.fate = 'quarantined')
FROM (
  SELECT CASE WHEN reason IS NOT NULL THEN 'quarantined' WHEN fate = 'new' THEN 'loaded' ELSE 'duplicate' END AS fate FROM calls
  UNION ALL
  SELECT CASE WHEN reason IS NOT NULL THEN 'quarantined' WHEN fate = 'new' THEN 'loaded' ELSE 'duplicate' END FROM stripe_records
  UNION ALL
  SELECT 'quarantined' FROM damaged
) AS r
