-- What would come out otherwise if these loads were carried out one after the other: ids whose first load does not bring
-- the copy that stays or not the only body, states of an object that did not arrive in their order, and aliases of ids
-- that other loads speak of.
SELECT
  (SELECT count(*) FROM (
    SELECT event_id FROM calls WHERE reason IS NULL
    GROUP BY event_id
    HAVING min(load_id) < max(load_id) AND (min(body_hash) <> max(body_hash) OR min(known_at) < arg_min(known_at, load_id)))
  ) + (SELECT count(*) FROM (
    SELECT event_id FROM stripe_records WHERE reason IS NULL AND kind = 'event'
    GROUP BY event_id
    HAVING min(load_id) < max(load_id) AND (min(body) <> max(body) OR min(known_at) < arg_min(known_at, load_id)))
  ) + (SELECT count(*) FROM (
    SELECT landed_at, lag(landed_at) OVER (PARTITION BY object_type, object_id ORDER BY segment, item) AS before
    FROM stripe_records WHERE reason IS NULL AND kind = 'object') AS s WHERE s.landed_at < s.before
  ) + (SELECT count(*) FROM calls AS a
    JOIN (SELECT load_id, user_id AS name FROM calls WHERE reason IS NULL UNION SELECT load_id, previous_id FROM calls WHERE reason IS NULL) AS n
      ON n.load_id <> a.load_id AND n.name IN (a.previous_id, 'anon:' || a.previous_id)
    WHERE a.kind = 'alias' AND a.reason IS NULL)
