/*
description: >-
  What happened to every account, in order: sign-up, trials, milestones, segments entered and left, invoices, days with
  e-mail responses. Dates without an instant stand at the start of their local day.
grain: one row per account and happening
key: [account_id, kind, source_id, at]
not_null: [text]
incremental: [account_id]
*/
WITH trial_starts AS (
    SELECT t.account_id, t.started_at AS at, 'trial_started' AS kind, t.trial_id AS source_id,
        concat(t.kind, ' ', CAST(t.trial_number AS VARCHAR), ' started',
            CASE WHEN t.plan IS NULL THEN '' ELSE concat(' on ', t.plan) END) AS text
    FROM marts.trials AS t
),
cancels AS (
    SELECT t.account_id, t.cancel_requested_at AS at, 'cancel_requested' AS kind, t.trial_id AS source_id,
        'asked to cancel' AS text
    FROM marts.trials AS t
    WHERE t.cancel_requested_at IS NOT NULL
),
outcomes AS (
    SELECT t.account_id, t.outcome_at AS at, 'outcome' AS kind, t.trial_id AS source_id,
        concat('trial ', CAST(t.trial_number AS VARCHAR), ': ', t.outcome,
            CASE WHEN t.link = 'successor' THEN ' through another subscription' ELSE '' END) AS text
    FROM marts.trials AS t
    WHERE t.outcome_at IS NOT NULL
),
firsts AS (
    SELECT a.account_id, m.milestone, m.occurred_at, m.evidence_id,
        row_number() OVER (PARTITION BY a.account_id, m.milestone ORDER BY m.occurred_at, m.evidence_id) AS place
    FROM intermediate.accounts AS a
    JOIN intermediate.milestone_days AS m ON m.account_key = a.account_key
),
reached AS (
    SELECT f.account_id, f.occurred_at AS at, 'milestone' AS kind, coalesce(f.evidence_id, f.milestone) AS source_id,
        concat('milestone ', f.milestone) AS text
    FROM firsts AS f
    WHERE f.place = 1
),
stays AS (
    SELECT m.account_id, k.starts_at AS at, 'segment_entered' AS kind, concat(m.trial_id, '/', m.segment) AS source_id,
        concat('entered segment ', m.segment) AS text
    FROM marts.memberships AS m
    JOIN config.calendar AS k ON k.day = m.entered_on
    UNION ALL
    SELECT m.account_id, k.starts_at AS at, 'segment_left' AS kind, concat(m.trial_id, '/', m.segment) AS source_id,
        concat('left segment ', m.segment, CASE WHEN m.closed_reason = 'aged_out' THEN ' (aged out)' ELSE '' END) AS text
    FROM marts.memberships AS m
    JOIN config.calendar AS k ON k.day = m.left_on
    JOIN config.clock AS c ON k.starts_at < c.as_of
),
bills AS (
    SELECT a.account_id, i.*
    FROM intermediate.accounts AS a
    JOIN intermediate.account_customers AS c ON c.account_key = a.account_key
    JOIN intermediate.invoices AS i ON i.customer_id = c.customer_id
),
billing AS (
    SELECT b.account_id, b.paid_at AS at, 'invoice_paid' AS kind, b.invoice_id AS source_id,
        concat('invoice paid: ', CAST(b.total_minor AS VARCHAR), ' ', b.currency, ' (minor units)') AS text
    FROM bills AS b
    WHERE b.paid_at IS NOT NULL
    UNION ALL
    SELECT b.account_id, b.failed_at AS at, 'payment_failed' AS kind, b.invoice_id AS source_id, 'payment failed' AS text
    FROM bills AS b
    WHERE b.failed_at IS NOT NULL
    UNION ALL
    SELECT b.account_id, b.refunded_at AS at, 'refunded' AS kind, b.invoice_id AS source_id,
        concat('refunded: ', CAST(b.refunded_minor AS VARCHAR), ' ', b.currency, ' (minor units)') AS text
    FROM bills AS b
    WHERE b.refunded_at IS NOT NULL
),
responses AS (
    SELECT a.account_id, e.activity_date, CAST(sum(e.clicked) AS BIGINT) AS clicked, CAST(sum(e.replied) AS BIGINT) AS replied,
        CAST(sum(e.unsubscribed) AS BIGINT) AS unsubscribed
    FROM intermediate.accounts AS a
    JOIN intermediate.email_days AS e ON e.account_key = a.account_key
    GROUP BY a.account_id, e.activity_date
    HAVING sum(e.clicked) + sum(e.replied) + sum(e.unsubscribed) > 0
),
happenings AS (
    SELECT a.account_id, a.signed_up_at AS at, 'signed_up' AS kind, a.account_id AS source_id, 'signed up' AS text
    FROM intermediate.accounts AS a
    WHERE a.signed_up_at IS NOT NULL
    UNION ALL SELECT t.account_id, t.at, t.kind, t.source_id, t.text FROM trial_starts AS t
    UNION ALL SELECT c.account_id, c.at, c.kind, c.source_id, c.text FROM cancels AS c
    UNION ALL SELECT o.account_id, o.at, o.kind, o.source_id, o.text FROM outcomes AS o
    UNION ALL SELECT r.account_id, r.at, r.kind, r.source_id, r.text FROM reached AS r
    UNION ALL SELECT s.account_id, s.at, s.kind, s.source_id, s.text FROM stays AS s
    UNION ALL SELECT b.account_id, b.at, b.kind, b.source_id, b.text FROM billing AS b
    UNION ALL
    SELECT r.account_id, k.starts_at AS at, 'email' AS kind, CAST(r.activity_date AS VARCHAR) AS source_id,
        concat('e-mails: ', CAST(r.clicked AS VARCHAR), ' clicked, ', CAST(r.replied AS VARCHAR), ' answered, ',
            CAST(r.unsubscribed AS VARCHAR), ' unsubscribed') AS text
    FROM responses AS r
    JOIN config.calendar AS k ON k.day = r.activity_date
)
SELECT
    CAST(h.account_id AS VARCHAR) AS account_id, -- the account
    CAST(h.at AS TIMESTAMP) AS at, -- when it happened; the start of the day where only the day is known
    CAST(h.kind AS VARCHAR) AS kind, -- what kind of happening
    CAST(h.text AS VARCHAR) AS text, -- the same for people
    CAST(h.source_id AS VARCHAR) AS source_id -- trial, event, invoice, segment stay or day it comes from
FROM happenings AS h
WHERE h.account_id IS NOT NULL
