-- Keys for every account id that events name or Stripe can lead to: an account for each user and customer that never
-- names one, the configured metadata of customers and subscriptions, checkout references, the mapping file's accounts.
INSERT INTO raw.dim_account
SELECT (SELECT max(account_key) FROM raw.dim_account) + row_number() OVER (ORDER BY n.account_id), n.account_id
FROM (
  SELECT account_id FROM calls WHERE reason IS NULL
  UNION SELECT 'user:' || user_id FROM calls WHERE reason IS NULL
  UNION SELECT 'user:' || previous_id FROM calls WHERE reason IS NULL
  UNION SELECT json_extract_string(object, $metadata_path) FROM stripe_records
    WHERE reason IS NULL AND object_type IN ('customer', 'subscription')
  UNION SELECT json_extract_string(object, '$.client_reference_id') FROM stripe_records WHERE reason IS NULL AND object_type = 'checkout.session'
  UNION SELECT 'stripe:' || object_id FROM stripe_records WHERE reason IS NULL AND object_type = 'customer'
  UNION SELECT 'stripe:' || coalesce(json_extract_string(object, '$.customer.id'),
      CASE WHEN NOT starts_with(json_extract_string(object, '$.customer'), '{') THEN json_extract_string(object, '$.customer') END)
    FROM stripe_records WHERE reason IS NULL AND object_type <> 'customer'
  UNION SELECT account_id FROM mapped_accounts
) AS n
WHERE n.account_id IS NOT NULL AND NOT is_placeholder(n.account_id)
  AND n.account_id NOT IN (SELECT account_id FROM raw.dim_account WHERE account_id IS NOT NULL)
