-- Fate of the records of each load: loaded, duplicate, quarantined, forgotten.
SELECT t.load_id, count(*) FILTER (WHERE r.fate = 'loaded'), count(*) FILTER (WHERE r.fate = 'duplicate'), count(*) FILTER (WHERE r.fate = 'quarantined'), count(*) FILTER (WHERE r.fate = 'forgotten')
FROM taken AS t
LEFT JOIN (
  SELECT load_id, CASE WHEN reason = 'forgotten' THEN 'forgotten' WHEN reason IS NOT NULL THEN 'quarantined' WHEN fate = 'new' THEN 'loaded' ELSE 'duplicate' END AS fate FROM calls
  UNION ALL
  SELECT load_id, CASE WHEN reason = 'forgotten' THEN 'forgotten' WHEN reason IS NOT NULL THEN 'quarantined' WHEN fate = 'new' THEN 'loaded' ELSE 'duplicate' END FROM stripe_records
  UNION ALL
  SELECT s.load_id, 'quarantined' FROM damaged AS d JOIN segments AS s ON s.segment = d.segment
) AS r ON r.load_id = t.load_id
GROUP BY t.load_id ORDER BY t.load_id
