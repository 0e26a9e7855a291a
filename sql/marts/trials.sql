/*
description: >-
  Every trial with its outcome, the account and contact behind it, and the usage, intensity and score of its newest
  trial day. The promise of `trialwise trials`; the columns after `history` serve the metrics.
grain: one row per trial
key: [trial_id]
not_null: [account_id, kind, source, started_at, start_date, outcome, population]
incremental: [trial_id]
accepted:
  kind: [trial, freemium]
  source: [stripe, event]
  outcome: [converted, converted_late, converted_free, pending, cancelled, payment_failed, no_payment_method, expired, merged]
  population: [first, repeat, add_on, freemium, merged]
checks:
  - name: converted_has_an_instant
    sql: SELECT t.trial_id FROM marts.trials AS t WHERE t.outcome IN ('converted', 'converted_late') AND t.converted_at IS NULL
*/
WITH instant_days AS (  -- the reporting days each UTC date touches: an equality for the join, or it would compare every day
    SELECT CAST(starts_at AS DATE) AS utc_date, day, day_no, starts_at, ends_at FROM config.calendar
    UNION
    SELECT CAST(ends_at AS DATE), day, day_no, starts_at, ends_at FROM config.calendar
),
newest AS (
    SELECT d.trial_id, max(d.trial_day) AS trial_day, max(d.activity_date) AS last_date
    FROM intermediate.trial_days AS d
    GROUP BY d.trial_id
),
standing AS ( -- by an inner join: an outer one would hold every day of every trial in memory
    SELECT d.*
    FROM newest AS n
    JOIN intermediate.trial_days AS d ON d.trial_id = n.trial_id AND d.trial_day = n.trial_day
),
last_use AS ( -- up to the day of the row that is shown: later use belongs to the account's later trials
    SELECT t.trial_id, max(u.last_value_at) AS last_active_at
    FROM intermediate.trials AS t
    JOIN newest AS n ON n.trial_id = t.trial_id
    JOIN intermediate.user_days AS u
        ON u.account_key = t.account_key AND u.activity_date BETWEEN t.start_date AND n.last_date AND u.value_events > 0
    GROUP BY t.trial_id
),
instants AS (
    SELECT t.*, CASE WHEN t.ended_at < coalesce(t.ends_at, t.started_at + p.freemium_days * INTERVAL 1 DAY) THEN t.ended_at
            ELSE coalesce(t.ends_at, t.started_at + p.freemium_days * INTERVAL 1 DAY) END AS over_at,
        greatest(coalesce(k.day_no - t.start_no, p.freemium_days), 2) AS length_days
    FROM intermediate.trials AS t
    CROSS JOIN config.parameters AS p
    LEFT JOIN instant_days AS k
        ON k.utc_date = CAST(t.original_ends_at AS DATE) AND k.starts_at <= t.original_ends_at AND k.ends_at > t.original_ends_at
)
SELECT
    CAST(t.trial_id AS VARCHAR) AS trial_id, -- stripe:<subscription>:<ordinal> or event:<account>:<start event>
    CAST(t.account_id AS VARCHAR) AS account_id, -- the account on trial
    CAST(a.account_name AS VARCHAR) AS account_name, -- its name
    CAST(t.kind AS VARCHAR) AS kind, -- trial or freemium
    CAST(t.source AS VARCHAR) AS source, -- stripe or event: what announced the trial
    CAST(t.trial_number AS INTEGER) AS trial_number, -- 1 for the account's first trial
    CAST(t.is_first_trial AS BOOLEAN) AS is_first_trial, -- no earlier trial of the account had ended
    CAST(t.is_add_on AS BOOLEAN) AS is_add_on, -- the account was paying when it started
    CAST(t.started_at AS TIMESTAMP) AS started_at, -- when the trial began
    CAST(t.ends_at AS TIMESTAMP) AS ends_at, -- when it ends or ended, extensions included; NULL for freemium
    CAST(t.original_ends_at AS TIMESTAMP) AS original_ends_at, -- the end first announced
    CAST(t.outcome AS VARCHAR) AS outcome, -- exactly one per trial and clock
    CAST(t.outcome_at AS TIMESTAMP) AS outcome_at, -- when it came about; NULL while pending
    CAST(t.converted_at AS TIMESTAMP) AS converted_at, -- first payment for service after the trial
    CAST(t.link AS VARCHAR) AS link, -- same, successor or event: which subscription paid
    CAST(t.settlement AS VARCHAR) AS settlement, -- card, credit_balance or out_of_band
    CAST(t.amount_minor AS BIGINT) AS amount_minor, -- first payment in the currency's minor unit
    CAST(t.currency AS VARCHAR) AS currency, -- ISO 4217 code of the amount
    CAST(t.card_status AS VARCHAR) AS card_status, -- on_file, none or unknown
    CAST(t.plan AS VARCHAR) AS plan, -- plan on trial
    CAST(a.channel AS VARCHAR) AS channel, -- where the account came from
    CAST(a.signed_up_at AS TIMESTAMP) AS signed_up_at, -- when the account signed up
    CAST(t.stripe_customer_id AS VARCHAR) AS stripe_customer_id, -- Stripe customer, where there is one
    CAST(a.contact_name AS VARCHAR) AS contact_name, -- whom to talk to
    CAST(a.contact_email AS VARCHAR) AS contact_email, -- their e-mail
    CAST(a.contact_title AS VARCHAR) AS contact_title, -- their title
    CAST(a.owner AS VARCHAR) AS owner, -- the account's owner on your side
    CAST(NULL AS VARCHAR) AS stage, -- stage of the account; NULL until stages are configured
    CAST(NULL AS VARCHAR) AS lead_status, -- status sales gave the lead; NULL when nobody has touched it
    CAST(d.trial_day AS INTEGER) AS trial_day, -- newest trial day there is a row for; 1 is the day of the start
    CAST(d.active_days_7d AS INTEGER) AS active_days_7d, -- active days of the last 7 completed days
    CAST(d.active_days_14d AS INTEGER) AS active_days_14d, -- of the last 14
    CAST(d.active_days_28d AS INTEGER) AS active_days_28d, -- of the last 28
    CAST(d.current_streak_days AS INTEGER) AS current_streak_days, -- run of consecutive active days that still goes on
    CAST(d.longest_streak_days AS INTEGER) AS longest_streak_days, -- longest such run of the trial
    CAST(d.value_events_7d AS BIGINT) AS value_events_7d, -- value events of the last 7 completed days
    CAST(d.features_used AS INTEGER) AS features_used, -- distinct features used since the start
    CAST(u.last_active_at AS TIMESTAMP) AS last_active_at, -- last value event from the start's day to the day of trial_day, inclusive; later use is the account's, not the trial's
    CAST(d.usage_intensity_hundredths / 100.0 AS DOUBLE) AS usage_intensity, -- intensity index, 0 to 100
    CAST(d.usage_band AS VARCHAR) AS usage_band, -- none, light, moderate or heavy
    CAST(d.rule_score_hundredths / 100.0 AS DOUBLE) AS score, -- points of the rule score
    CAST(NULL AS DOUBLE) AS probability, -- chance of converting; NULL while the rules score
    CAST('rules' AS VARCHAR) AS scored_by, -- what made the score
    CAST(t.history AS VARCHAR) AS history, -- event, snapshot or event_product: what the trial's history rests on
    CAST(CASE WHEN t.stripe_customer_id IS NOT NULL THEN concat('https://dashboard.stripe.com/',
        CASE WHEN a.undesirable_reason = 'test_mode' THEN 'test/' ELSE '' END, 'customers/', t.stripe_customer_id)
        END AS VARCHAR) AS stripe_url, -- the customer in Stripe's dashboard
    CAST(a.undesirable_reason AS VARCHAR) AS undesirable_reason, -- why lists leave the account out; NULL when they do not
    CAST(CASE WHEN t.outcome = 'merged' THEN 'merged' WHEN t.kind = 'freemium' THEN 'freemium'
        WHEN t.is_add_on THEN 'add_on' WHEN t.is_first_trial THEN 'first' ELSE 'repeat' END AS VARCHAR)
        AS population, -- first, repeat, add_on, freemium or merged: whose rate it belongs to
    CAST(t.is_active AS BOOLEAN) AS is_active, -- running at the clock
    CAST(t.is_paused AS BOOLEAN) AS is_paused, -- paused at its end without a card
    CAST(t.is_final AS BOOLEAN) AS is_final, -- nothing can change its outcome any more but corrections
    CAST(t.is_inferred AS BOOLEAN) AS is_inferred, -- the outcome is inferred, not reported
    CAST(t.is_refunded AS BOOLEAN) AS is_refunded, -- fully refunded, or lost to a dispute, within the refund days
    CAST(t.card_type AS VARCHAR) AS card_type, -- card_required, cardless or unknown
    CAST(t.card_added_at AS TIMESTAMP) AS card_added_at, -- first card of the trial
    CAST(t.cancel_requested_at AS TIMESTAMP) AS cancel_requested_at, -- when its user asked to cancel, if not taken back
    CAST(t.ended_at AS TIMESTAMP) AS ended_at, -- when the subscription ended
    CAST(t.over_at AS TIMESTAMP) AS over_at, -- the earlier of ends_at (of freemium its horizon) and ended_at
    CAST(t.effective_end_at AS TIMESTAMP) AS effective_end_at, -- over_at, or the conversion when that was earlier
    CAST(t.deadline_at AS TIMESTAMP) AS deadline_at, -- last instant at which a payment counts as converted: over_at, grace and collection lag
    CAST(t.active_status_at AS TIMESTAMP) AS active_status_at, -- first `active` status after trialing
    CAST(t.ever_paid_at AS TIMESTAMP) AS ever_paid_at, -- first payment of the account, when that came after the trial's start; NULL when it had paid before
    CAST(t.start_date AS DATE) AS start_date, -- local day of the start
    CAST(t.start_no AS INTEGER) AS start_no, -- the same as days since 1970-01-01
    CAST(e.day AS DATE) AS effective_end_date, -- local day of effective_end_at
    CAST(c.day AS DATE) AS converted_date, -- local day of converted_at
    CAST(o.day AS DATE) AS outcome_date, -- local day of outcome_at
    CAST((t.length_days - t.length_days % 2) / 2 AS INTEGER) AS half_day, -- trial day at half the trial
    CAST(t.monthly_value_minor AS BIGINT) AS monthly_value_minor, -- monthly value of the plan in minor units
    CAST(d.rule_score_hundredths AS BIGINT) AS score_hundredths, -- the score in hundredths, as its parts add up
    CAST(d.fit_grade AS VARCHAR) AS fit_grade, -- A, B or C
    CAST(d.engagement_grade AS VARCHAR) AS engagement_grade, -- 1, 2 or 3
    CAST(d.lifecycle AS VARCHAR) AS lifecycle, -- new, returning, resurrecting or dormant
    CAST(d.recency_days AS INTEGER) AS recency_days -- days since the last active day; NULL when never active
FROM instants AS t
LEFT JOIN intermediate.accounts AS a ON a.account_key = t.account_key
LEFT JOIN standing AS d ON d.trial_id = t.trial_id
LEFT JOIN last_use AS u ON u.trial_id = t.trial_id
LEFT JOIN instant_days AS e
    ON e.utc_date = CAST(t.effective_end_at AS DATE) AND e.starts_at <= t.effective_end_at AND e.ends_at > t.effective_end_at
LEFT JOIN instant_days AS c
    ON c.utc_date = CAST(t.converted_at AS DATE) AND c.starts_at <= t.converted_at AND c.ends_at > t.converted_at
LEFT JOIN instant_days AS o
    ON o.utc_date = CAST(t.outcome_at AS DATE) AND o.starts_at <= t.outcome_at AND o.ends_at > t.outcome_at
