-- Keys for event names not seen before, in the order of the loads that name them.
INSERT INTO raw.dim_event
SELECT (SELECT coalesce(max(event_key), 0) FROM raw.dim_event) + row_number() OVER (ORDER BY n.load_id, n.event_name), n.event_name
FROM (SELECT event_name, min(load_id) AS load_id FROM calls WHERE reason IS NULL AND event_name IS NOT NULL GROUP BY event_name) AS n
WHERE n.event_name NOT IN (SELECT event_name FROM raw.dim_event)
