/*
description: Explicit mapping of Stripe customers to accounts.
*/
CREATE TABLE IF NOT EXISTS config.customer_map (
    customer_id VARCHAR NOT NULL, -- Stripe customer
    account_id VARCHAR NOT NULL -- account it belongs to
)
