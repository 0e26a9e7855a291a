-- Keys for event names not seen before.
INSERT INTO raw.dim_event
SELECT (SELECT coalesce(max(event_key), 0) FROM raw.dim_event) + row_number() OVER (ORDER BY n.event_name), n.event_name
FROM (SELECT DISTINCT event_name FROM calls WHERE reason IS NULL AND event_name IS NOT NULL) AS n
WHERE n.event_name NOT IN (SELECT event_name FROM raw.dim_event)
