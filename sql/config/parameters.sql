/*
description: The parameters of METRICS as configured in trialwise.toml. One row.
*/
CREATE TABLE IF NOT EXISTS config.parameters (
    trial_length_days INTEGER, -- length of a trial known from product events alone; NULL when not configured
    grace_days INTEGER NOT NULL, -- days after the end in which a payment still belongs to the trial
    collection_lag_hours INTEGER NOT NULL, -- hours that collecting a payment may take on top of the grace
    horizon_days INTEGER NOT NULL, -- days after the end for which trial-day rows are kept
    one_trial_hours INTEGER NOT NULL, -- starts of one account this close announce one trial
    reentry_days INTEGER NOT NULL, -- a return to trialing within these days is an extension
    card_at_start_minutes INTEGER NOT NULL, -- a payment method known by then makes the trial card_required
    refund_days INTEGER NOT NULL, -- a full refund or lost dispute within these days drops the trial from net
    cancelled_before_payment_hours INTEGER NOT NULL, -- hours before the first payment that count as just before it
    freemium_days INTEGER NOT NULL, -- horizon of a freemium trial
    streak_days INTEGER NOT NULL, -- streak length of the built-in streak segment
    events_per_day_cap INTEGER NOT NULL, -- value events of one user and day count at most this often towards depth
    features_total INTEGER NOT NULL, -- size of the feature catalogue
    benchmark_events_per_day INTEGER NOT NULL, -- prior benchmark of events per active day, until calibrated
    band_light INTEGER NOT NULL, -- intensity below this is light
    band_moderate INTEGER NOT NULL, -- intensity below this is moderate, from it on heavy
    account_metadata_key VARCHAR NOT NULL -- key in a Stripe object's metadata that names the account
)
