/*
description: Integer key of every account id the system can come across, announced by product events or reachable from Stripe. Key 0 = no account announced. Keys are given once, never change and never leave raw and intermediate.
grain: one row per account id
key: [account_key]
not_null: [account_key]
*/
CREATE TABLE IF NOT EXISTS raw.dim_account (
  account_key INTEGER NOT NULL, -- surrogate key, given once at load
  account_id VARCHAR -- id as announced, byte exact; NULL for key 0; 'user:<user id>' and 'stripe:<customer id>' stand for subjects that never named an account
)
