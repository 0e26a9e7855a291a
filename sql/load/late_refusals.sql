-- Are there records refused only after reading? Their bytes have to be fetched from landing.
SELECT count(*) FROM (SELECT reason FROM calls UNION ALL SELECT reason FROM stripe_records) AS r WHERE r.reason = 'id_reuse'
