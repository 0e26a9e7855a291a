/*
description: Account ids with their keys. Key 0 stands for "no account announced".
grain: one row per account key
key: [account_key]
not_null: [account_key]
*/
SELECT
  CAST(a.account_key AS INTEGER) AS account_key, -- physical key, never shown to people
  CAST(a.account_id AS VARCHAR) AS account_id -- id as announced; stripe:<customer> and user:<user> stand for accounts nobody named
FROM raw.dim_account AS a
