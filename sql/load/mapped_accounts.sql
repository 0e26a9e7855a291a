-- Account ids the mapping file gives to Stripe customers.
CREATE OR REPLACE TEMP TABLE mapped_accounts (account_id VARCHAR)
