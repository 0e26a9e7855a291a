-- Keys for every account id that events name or Stripe can lead to: an account for each user and customer that never
-- names one, the configured metadata of customers and subscriptions, checkout references, the mapping file's accounts.
-- In the order of the loads that name them; the mapping file is known to the first of them.
INSERT INTO raw.dim_account
WITH said AS (  -- all in one reading of the object, which is long
  SELECT load_id, object_type, object_id,
    json_extract_string(object, ['$.customer.id', '$.customer', '$.client_reference_id', $metadata_path]) AS v
  FROM stripe_records WHERE reason IS NULL
),
named AS (
  SELECT account_id, min(load_id) AS load_id FROM calls WHERE reason IS NULL GROUP BY account_id
  UNION ALL SELECT 'user:' || user_id, min(load_id) FROM calls WHERE reason IS NULL GROUP BY user_id
  UNION ALL SELECT 'user:' || previous_id, min(load_id) FROM calls WHERE reason IS NULL GROUP BY previous_id
  UNION ALL SELECT unnest([
      CASE WHEN object_type IN ('customer', 'subscription') THEN v[4] END,
      CASE WHEN object_type = 'checkout.session' THEN v[3] END,
      'stripe:' || CASE WHEN object_type = 'customer' THEN object_id ELSE coalesce(v[1], CASE WHEN NOT starts_with(v[2], '{') THEN v[2] END) END
    ]), load_id FROM said
  UNION ALL SELECT account_id, (SELECT min(load_id) FROM segments) FROM mapped_accounts
)
SELECT (SELECT max(account_key) FROM raw.dim_account) + row_number() OVER (ORDER BY n.load_id, n.account_id), n.account_id
FROM (SELECT account_id, min(load_id) AS load_id FROM named GROUP BY account_id) AS n
WHERE n.account_id IS NOT NULL AND NOT is_placeholder(n.account_id)
  AND n.account_id NOT IN (SELECT account_id FROM raw.dim_account WHERE account_id IS NOT NULL)
