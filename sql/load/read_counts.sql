-- Frames read from each segment of this load.
SELECT s.segment, s.records, count(r.segment) AS frames, s.is_live
FROM segments AS s
LEFT JOIN (SELECT segment FROM calls UNION ALL SELECT segment FROM stripe_records) AS r ON r.segment = s.segment
GROUP BY s.segment, s.records, s.is_live ORDER BY s.segment
