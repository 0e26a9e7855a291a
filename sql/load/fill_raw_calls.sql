-- Bytes of records refused only after reading.
UPDATE calls SET raw = encode(f.raw)
FROM frames AS f
WHERE calls.reason = 'id_reuse' AND f.segment = calls.segment AND f.i = calls.item
