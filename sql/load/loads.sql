-- Loads already in the store, in order.
SELECT load_id, first_segment, last_segment, landed_at, declared FROM raw.loads ORDER BY load_id
