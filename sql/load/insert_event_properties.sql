-- Properties of declared events; a replaced row keeps its properties, since the bodies are equal.
INSERT INTO raw.event_properties
SELECT event_id, payload FROM calls
WHERE reason IS NULL AND fate = 'new' AND kind IN ('track', 'page', 'screen') AND payload IS NOT NULL
