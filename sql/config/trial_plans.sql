/*
description: Prices or plans whose $0 subscriptions are freemium trials.
*/
CREATE TABLE IF NOT EXISTS config.trial_plans (
    plan_id VARCHAR NOT NULL -- Stripe price or plan id, or its product id
)
