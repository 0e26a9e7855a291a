/*
description: >-
  The profile of every account that had a trial, used the product or has a Stripe customer: who it is, whom to talk to,
  and where its trials stand.
grain: one row per account
key: [account_id]
not_null: [trials]
incremental: [account_id]
*/
WITH tried AS (
    SELECT t.account_id, count(*) AS trials, count(CASE WHEN t.is_active THEN 1 END) AS active_trials,
        max(t.started_at) AS last_trial_at, min(t.converted_at) AS first_paid_at
    FROM marts.trials AS t
    WHERE t.outcome <> 'merged'
    GROUP BY t.account_id
),
used AS (
    SELECT u.account_id, min(u.first_at) AS first_seen_at, max(u.last_value_at) AS last_active_at,
        count(DISTINCT CASE WHEN u.user_key <> 0 THEN u.user_key END) AS users,
        count(DISTINCT CASE WHEN u.value_events > 0 THEN u.activity_date END) AS active_days,
        CAST(sum(u.value_events) AS BIGINT) AS value_events
    FROM intermediate.user_days AS u
    GROUP BY u.account_id
),
customers AS (
    SELECT a.account_id, min(c.customer_id) AS stripe_customer_id, count(*) AS stripe_customers
    FROM intermediate.accounts AS a
    JOIN intermediate.customer_accounts AS c ON c.account_key = a.account_key AND c.account_id = a.account_id
    GROUP BY a.account_id
)
SELECT
    CAST(a.account_id AS VARCHAR) AS account_id, -- the account
    CAST(a.account_name AS VARCHAR) AS account_name, -- its name
    CAST(a.domain AS VARCHAR) AS domain, -- its domain
    CAST(a.owner AS VARCHAR) AS owner, -- its owner on your side
    CAST(a.channel AS VARCHAR) AS channel, -- where it came from
    CAST(a.signed_up_at AS TIMESTAMP) AS signed_up_at, -- when it signed up
    CAST(a.contact_name AS VARCHAR) AS contact_name, -- whom to talk to
    CAST(a.contact_email AS VARCHAR) AS contact_email, -- their e-mail
    CAST(a.contact_title AS VARCHAR) AS contact_title, -- their title
    CAST(a.undesirable_reason AS VARCHAR) AS undesirable_reason, -- why lists leave it out
    CAST(coalesce(t.trials, 0) AS BIGINT) AS trials, -- trials so far
    CAST(coalesce(t.active_trials, 0) AS BIGINT) AS active_trials, -- of them running
    CAST(t.last_trial_at AS TIMESTAMP) AS last_trial_at, -- start of the latest trial
    CAST(t.first_paid_at AS TIMESTAMP) AS first_paid_at, -- first payment after a trial
    CAST(coalesce(u.users, 0) AS BIGINT) AS users, -- people seen
    CAST(coalesce(u.active_days, 0) AS BIGINT) AS active_days, -- days with a value event
    CAST(coalesce(u.value_events, 0) AS BIGINT) AS value_events, -- value events so far
    CAST(u.first_seen_at AS TIMESTAMP) AS first_seen_at, -- first product event
    CAST(u.last_active_at AS TIMESTAMP) AS last_active_at, -- last value event
    CAST(c.stripe_customer_id AS VARCHAR) AS stripe_customer_id, -- its Stripe customer, the first by id if several
    CAST(coalesce(c.stripe_customers, 0) AS BIGINT) AS stripe_customers, -- how many it has
    CAST(CASE WHEN c.stripe_customer_id IS NOT NULL THEN concat('https://dashboard.stripe.com/',
        CASE WHEN a.undesirable_reason = 'test_mode' THEN 'test/' ELSE '' END, 'customers/', c.stripe_customer_id)
        END AS VARCHAR) AS stripe_url -- the customer in Stripe's dashboard
FROM intermediate.accounts AS a
LEFT JOIN tried AS t ON t.account_id = a.account_id
LEFT JOIN used AS u ON u.account_id = a.account_id
LEFT JOIN customers AS c ON c.account_id = a.account_id
WHERE a.account_id IS NOT NULL
