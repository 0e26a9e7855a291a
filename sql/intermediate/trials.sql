/*
description: Every trial with everything that is known of it as of the cut. The one place other models read trials from.
grain: one row per trial
key: [trial_id]
not_null: [trial_id, account_key, account_id, kind, source, started_at, start_no, effective_end_at, deadline_at, outcome, last_no, n_days, complete_days, history, known_no, account_known_no]
accepted: {kind: [trial, freemium], source: [stripe, event], link: [same, successor, event], history: [event, snapshot, event_product]}
incremental: [trial_id]
checks:
  - name: trials_have_a_length
    level: fail
    sql: SELECT trial_id, started_at, ends_at FROM intermediate.trials WHERE ends_at <= started_at
  - name: rows_begin_with_the_trial
    level: fail
    sql: SELECT trial_id, n_days FROM intermediate.trials WHERE n_days < 1
  - name: payments_follow_the_start
    level: warn
    sql: SELECT trial_id, started_at, converted_at FROM intermediate.trials WHERE converted_at < started_at
*/
WITH facts AS (
  SELECT t.trial_id, t.account_key, t.kind, t.source, t.subscription_id, t.customer_id, t.started_at, t.original_ends_at, t.ends_at, t.ended_at, t.cancel_requested_at, t.is_ended_early,
    t.extension_count, t.shortened_count, t.plan, t.monthly_value_minor, t.currency, t.known_at, t.history,
    p.converted_at, p.own_paid_at, p.link, p.settlement, p.amount_minor, p.currency AS paid_currency, CASE WHEN p.disputed_lost_at < p.refunded_at OR p.refunded_at IS NULL THEN p.disputed_lost_at ELSE p.refunded_at END AS taken_back_at, p.ever_paid_at,
    o.outcome, o.outcome_at, o.effective_end_at, o.deadline_at, o.is_inferred, o.is_final, o.is_paused, o.is_active,
    n.trial_number, n.is_first_trial, n.is_add_on, k.card_type, k.card_status, k.card_added_at, s.active_status_at, a.account_id, g.refund_days,
    d.start_date, d.start_no, d.end_date, d.end_no, d.original_end_no, d.converted_known_no, d.known_no, d.account_known_no, d.last_no,
    least(d.last_no, c.as_of_no) AS last_seen_no, least(d.last_no, c.complete_no) AS last_complete_no
  FROM intermediate.trial_bases AS t
  CROSS JOIN config.parameters AS g
  CROSS JOIN config.clock AS c
  INNER JOIN intermediate.trial_dates AS d ON d.trial_id = t.trial_id
  INNER JOIN intermediate.trial_payments AS p ON p.trial_id = t.trial_id
  INNER JOIN intermediate.trial_outcomes AS o ON o.trial_id = t.trial_id
  INNER JOIN intermediate.trial_places AS n ON n.trial_id = t.trial_id
  INNER JOIN intermediate.trial_cards AS k ON k.trial_id = t.trial_id
  INNER JOIN staging.accounts AS a ON a.account_key = t.account_key
  LEFT JOIN intermediate.billing_trial_states AS s ON s.trial_id = t.trial_id
)
SELECT
  CAST(trial_id AS VARCHAR) AS trial_id, -- stripe:<subscription>:<ordinal> or event:<account>:<start event>
  CAST(account_key AS INTEGER) AS account_key, -- account, merges followed
  CAST(account_id AS VARCHAR) AS account_id, -- its id
  CAST(kind AS VARCHAR) AS kind, -- trial or freemium
  CAST(source AS VARCHAR) AS source, -- stripe, or event when product events alone tell of it
  CAST(subscription_id AS VARCHAR) AS subscription_id, -- Stripe subscription
  CAST(customer_id AS VARCHAR) AS stripe_customer_id, -- Stripe customer
  CAST(trial_number AS INTEGER) AS trial_number, -- place among the account's trials of its kind; NULL when merged
  CAST(is_first_trial AS BOOLEAN) AS is_first_trial, -- no earlier trial of the account had ended
  CAST(is_add_on AS BOOLEAN) AS is_add_on, -- the account was paying at the start
  CAST(started_at AS TIMESTAMP) AS started_at, -- first instant (UTC)
  CAST(start_date AS DATE) AS start_date, -- its day in the reporting zone, trial day 1
  CAST(start_no AS INTEGER) AS start_no, -- that day as days since 1970-01-01
  CAST(original_ends_at AS TIMESTAMP) AS original_ends_at, -- end as first planned
  CAST(ends_at AS TIMESTAMP) AS ends_at, -- end as planned last; NULL for freemium
  CAST(end_date AS DATE) AS end_date, -- its day
  CAST(end_no AS INTEGER) AS end_no, -- that day as days since 1970-01-01
  CAST(ended_at AS TIMESTAMP) AS ended_at, -- when the subscription, or the announced trial, ended
  CAST(cancel_requested_at AS TIMESTAMP) AS cancel_requested_at, -- when the cancel request in force was made
  CAST(effective_end_at AS TIMESTAMP) AS effective_end_at, -- first of planned end, end of the subscription and payment
  CAST(deadline_at AS TIMESTAMP) AS deadline_at, -- last instant at which a payment still counts, inclusive
  CAST(converted_at AS TIMESTAMP) AS converted_at, -- first payment for a service period after the trial
  CAST(converted_known_no AS INTEGER) AS converted_known_no, -- day on which it was known
  CAST(link AS VARCHAR) AS link, -- paid by the same subscription, its successor, or told by a product event
  CAST(CASE WHEN outcome = 'converted_free' THEN 'free' ELSE settlement END AS VARCHAR) AS settlement, -- card, credit_balance, out_of_band or free
  CAST(amount_minor AS BIGINT) AS amount_minor, -- amount of the first payment, minor units
  CAST(paid_currency AS VARCHAR) AS currency, -- its currency
  CAST(outcome AS VARCHAR) AS outcome, -- what became of it
  CAST(outcome_at AS TIMESTAMP) AS outcome_at, -- when; NULL while pending and for merged
  CAST(is_inferred AS BOOLEAN) AS is_inferred, -- no_payment_method concluded, not told
  CAST(is_final AS BOOLEAN) AS is_final, -- whether the default conversion rate can no longer change by it
  CAST(is_active AS BOOLEAN) AS is_active, -- in trial as of the cut
  CAST(extension_count AS INTEGER) AS extension_count, -- times the end moved later, re-entries among them
  CAST(shortened_count + CASE WHEN is_ended_early AND own_paid_at IS NULL THEN 1 ELSE 0 END AS INTEGER) AS shortened_count, -- times it moved earlier without a payment
  CAST(end_no - original_end_no AS INTEGER) AS days_added, -- days between the end first planned and the last one
  CAST(is_ended_early AND own_paid_at IS NOT NULL AS BOOLEAN) AS is_early_upgrade, -- ended before its plan, by paying
  CAST(card_type AS VARCHAR) AS card_type, -- card_required, cardless or unknown
  CAST(card_status AS VARCHAR) AS card_status, -- on_file, none or unknown as of the cut
  CAST(card_added_at AS TIMESTAMP) AS card_added_at, -- first payment method stored during the trial
  CAST(active_status_at AS TIMESTAMP) AS active_status_at, -- first `active` after trialing; NULL for product events
  CAST(ever_paid_at AS TIMESTAMP) AS ever_paid_at, -- first payment of the account, for whatever, after the start; NULL when it had paid before
  CAST(is_paused AS BOOLEAN) AS is_paused, -- status paused as of the cut
  CAST(taken_back_at AS TIMESTAMP) AS refunded_at, -- when all of the first payment had been given back, or a dispute over it was lost
  CAST(coalesce(taken_back_at <= converted_at + refund_days * INTERVAL 1 DAY, false) AS BOOLEAN) AS is_refunded, -- fully refunded or lost to a dispute in time: dropped from net
  CAST(plan AS VARCHAR) AS plan, -- plan on the start day
  CAST(monthly_value_minor AS BIGINT) AS monthly_value_minor, -- its monthly value, minor units
  CAST(currency AS VARCHAR) AS plan_currency, -- currency of the plan
  CAST(known_at AS TIMESTAMP) AS known_at, -- when the trial was known
  CAST(known_no AS INTEGER) AS known_no, -- day of it, never before the start
  CAST(account_known_no AS INTEGER) AS account_known_no, -- day on which its account was known
  CAST(last_no AS INTEGER) AS last_no, -- last day with a row in trial_days
  CAST(last_seen_no - start_no + 1 AS INTEGER) AS n_days, -- rows up to the as_of date
  CAST(last_complete_no - start_no + 1 AS INTEGER) AS complete_days, -- of them those whose day was over at as_of
  CAST(history AS VARCHAR) AS history -- event, snapshot or event_product: what can be known of it
FROM facts
