/*
description: >-
  Trials that made their first payment in the last 30 days, the latest first. For welcome and onboarding.
grain: one row per trial
key: [trial_id]
not_null: [account_id, position]
*/
SELECT
    CAST(t.trial_id AS VARCHAR) AS trial_id, -- the trial
    CAST(t.account_id AS VARCHAR) AS account_id, -- its account
    CAST(t.account_name AS VARCHAR) AS account_name, -- name of the account
    CAST(t.started_at AS TIMESTAMP) AS started_at, -- when the trial began
    CAST(t.ends_at AS TIMESTAMP) AS ends_at, -- when it ends or ended
    CAST(t.outcome AS VARCHAR) AS outcome, -- its outcome so far
    CAST(t.converted_at AS TIMESTAMP) AS converted_at, -- first payment
    CAST(t.amount_minor AS BIGINT) AS amount_minor, -- its amount in the currency's minor unit
    CAST(t.currency AS VARCHAR) AS currency, -- ISO 4217 code
    CAST(t.card_status AS VARCHAR) AS card_status, -- on_file, none or unknown
    CAST(t.plan AS VARCHAR) AS plan, -- plan on trial
    CAST(t.channel AS VARCHAR) AS channel, -- where the account came from
    CAST(t.contact_name AS VARCHAR) AS contact_name, -- whom to talk to
    CAST(t.contact_email AS VARCHAR) AS contact_email, -- their e-mail
    CAST(t.contact_title AS VARCHAR) AS contact_title, -- their title
    CAST(t.owner AS VARCHAR) AS owner, -- the account's owner on your side
    CAST(t.lead_status AS VARCHAR) AS lead_status, -- status sales gave the lead
    CAST(t.trial_day AS INTEGER) AS trial_day, -- newest trial day
    CAST(t.active_days_7d AS INTEGER) AS active_days_7d, -- active days of the last 7
    CAST(t.current_streak_days AS INTEGER) AS current_streak_days, -- active days in a row
    CAST(t.value_events_7d AS BIGINT) AS value_events_7d, -- value events of the last 7 days
    CAST(t.features_used AS INTEGER) AS features_used, -- features used so far
    CAST(t.last_active_at AS TIMESTAMP) AS last_active_at, -- last value event
    CAST(t.usage_intensity AS DOUBLE) AS usage_intensity, -- intensity index, 0 to 100
    CAST(t.usage_band AS VARCHAR) AS usage_band, -- none, light, moderate or heavy
    CAST(t.score AS DOUBLE) AS score, -- points of the rule score
    CAST(t.scored_by AS VARCHAR) AS scored_by, -- what made the score
    CAST(t.stripe_url AS VARCHAR) AS stripe_url, -- the customer in Stripe's dashboard
    CAST(row_number() OVER (ORDER BY t.converted_at DESC, t.trial_id) AS INTEGER) AS position -- place in the list, from 1
FROM marts.trials AS t
JOIN marts.clock AS c ON t.converted_at >= c.as_of - INTERVAL 30 DAY
WHERE t.outcome IN ('converted', 'converted_late')
