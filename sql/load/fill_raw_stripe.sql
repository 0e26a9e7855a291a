-- Bytes of records refused only after reading.
UPDATE stripe_records SET raw = encode(f.raw)
FROM frames AS f
WHERE stripe_records.reason = 'id_reuse' AND f.segment = stripe_records.segment AND f.i = stripe_records.item
