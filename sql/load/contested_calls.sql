-- Ids that occur more than once in this load or are already known; only they need an order.
CREATE OR REPLACE TEMP TABLE contested AS
WITH known AS (
  SELECT event_id, known_at, body_hash FROM raw.events WHERE event_id IN (SELECT event_id FROM calls)
  UNION ALL
  SELECT call_id, known_at, body_hash FROM raw.identities WHERE call_id IN (SELECT event_id FROM calls)
),
repeated AS (SELECT event_id FROM calls WHERE reason IS NULL GROUP BY event_id HAVING count(*) > 1)
SELECT coalesce(k.event_id, r.event_id) AS event_id, k.known_at, k.body_hash
FROM known AS k FULL JOIN repeated AS r ON r.event_id = k.event_id
