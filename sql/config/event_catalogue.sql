/*
description: One row per event name seen, with what the configuration says it means.
*/
CREATE TABLE IF NOT EXISTS config.event_catalogue (
    event_key INTEGER NOT NULL, -- key of raw.dim_event
    event_name VARCHAR, -- the name as received
    canonical_name VARCHAR, -- the name after aliases
    is_value BOOLEAN NOT NULL, -- whether it is a value event
    feature_bit BIGINT NOT NULL, -- bit of the feature it uses, 0 for none
    is_notable BOOLEAN NOT NULL, -- whether its events are looked at one by one: it has a role or reaches a milestone
    role VARCHAR -- trial_started, subscription_started, email_clicked, ...; NULL for none
)
