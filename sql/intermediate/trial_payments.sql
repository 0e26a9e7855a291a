/*
description: What was paid, or started for free, after each trial, by the trial's own subscription, by a successor it claims or as the product announces it.
grain: one row per trial
key: [trial_id]
not_null: [trial_id]
decision: conversion-paid
*/
WITH own AS (  -- invoices for a service period after the trial; one after the subscription's next trial is that one's
  SELECT t.trial_id, i.invoice_id, i.subscription_id, i.status, i.paid_at, i.paid_known_at, i.failed_at, i.total_minor, i.currency, i.settlement, i.refunded_at, i.disputed_lost_at, i.has_service, i.service_start_at
  FROM intermediate.trial_bases AS t
  INNER JOIN intermediate.invoices AS i ON i.subscription_id = t.subscription_id
  WHERE i.service_start_at >= CASE WHEN t.kind = 'freemium' THEN t.started_at ELSE t.ends_at END
    AND (t.kind = 'freemium' OR t.next_started_at IS NULL OR i.service_start_at < t.next_started_at)
),
own_first AS (
  SELECT trial_id, min(paid_at) AS paid_at FROM own WHERE total_minor > 0 AND has_service GROUP BY trial_id
),
subscriptions AS (  -- subscriptions that never were a trial
  SELECT v.subscription_id, max(v.customer_id) AS customer_id, min(v.subscription_created_at) AS created_at
  FROM intermediate.subscription_versions AS v
  LEFT JOIN intermediate.billing_trials AS t ON t.subscription_id = v.subscription_id
  WHERE t.trial_id IS NULL
  GROUP BY v.subscription_id
),
owned AS (
  SELECT s.subscription_id, s.created_at, a.account_key
  FROM subscriptions AS s
  INNER JOIN intermediate.account_customers AS a ON a.customer_id = s.customer_id
),
waiting AS (  -- the limit is worked out before the join: DuckDB 2.0 loses rows when one side of an inequality mixes both sides of the join
  SELECT t.trial_id, t.account_key, t.started_at, t.ends_at, t.end_basis_at + p.grace_days * INTERVAL 1 DAY AS claims_until, f.paid_at
  FROM intermediate.trial_bases AS t
  CROSS JOIN config.parameters AS p
  LEFT JOIN own_first AS f ON f.trial_id = t.trial_id
  WHERE NOT t.is_merged
),
claims AS (
  SELECT s.subscription_id, t.trial_id, t.ends_at, row_number() OVER (PARTITION BY s.subscription_id ORDER BY t.started_at DESC, t.trial_id DESC) AS place
  FROM owned AS s
  INNER JOIN waiting AS t ON t.account_key = s.account_key
  WHERE s.created_at >= t.started_at AND s.created_at < t.claims_until AND (t.paid_at IS NULL OR t.paid_at >= s.created_at)
),
paid AS (
  SELECT trial_id, 1 AS preference, 'same' AS link, invoice_id, paid_at, paid_known_at, total_minor, currency, settlement, refunded_at, disputed_lost_at
  FROM own
  WHERE total_minor > 0 AND has_service AND paid_at IS NOT NULL
  UNION ALL
  SELECT c.trial_id, 2, 'successor', i.invoice_id, i.paid_at, i.paid_known_at, i.total_minor, i.currency, i.settlement, i.refunded_at, i.disputed_lost_at
  FROM claims AS c
  INNER JOIN intermediate.invoices AS i ON i.subscription_id = c.subscription_id
  WHERE c.place = 1 AND i.total_minor > 0 AND i.paid_at IS NOT NULL
),
announced AS (  -- product events convert a trial only where billing tells nothing of one; what they say of a merged one's account is for the trial it was merged into
  SELECT t.trial_id, e.event_id, e.occurred_at, e.known_at, e.amount_minor, e.currency
  FROM intermediate.trial_bases AS t
  INNER JOIN intermediate.trial_announcements AS e ON e.account_key = t.account_key
  WHERE t.source = 'event' AND NOT t.is_merged AND e.role = 'subscription_started' AND e.occurred_at >= t.started_at AND (t.account_next_started_at IS NULL OR e.occurred_at < t.account_next_started_at)
),
all_paid AS (
  SELECT * FROM paid
  UNION ALL
  SELECT a.trial_id, 3, 'event', a.event_id, a.occurred_at, a.known_at, a.amount_minor, a.currency, NULL, NULL, NULL
  FROM announced AS a
  LEFT JOIN (SELECT DISTINCT trial_id FROM paid) AS p ON p.trial_id = a.trial_id
  WHERE a.amount_minor > 0 AND p.trial_id IS NULL
),
first_paid AS (
  SELECT *, row_number() OVER (PARTITION BY trial_id ORDER BY paid_at, preference, invoice_id) AS place FROM all_paid
),
free AS (
  SELECT o.trial_id, o.paid_at AS at
  FROM own AS o
  LEFT JOIN intermediate.trial_spells AS s ON s.subscription_id = o.subscription_id AND s.started_at <= o.service_start_at AND s.ends_at > o.service_start_at
  WHERE o.total_minor = 0 AND o.paid_at IS NOT NULL AND s.subscription_id IS NULL  -- the $0 invoice of another trial is no free plan
  UNION ALL
  SELECT c.trial_id, i.paid_at
  FROM claims AS c
  INNER JOIN intermediate.invoices AS i ON i.subscription_id = c.subscription_id
  WHERE c.place = 1 AND i.total_minor = 0 AND i.paid_at IS NOT NULL AND i.service_start_at >= c.ends_at
  UNION ALL
  SELECT trial_id, occurred_at FROM announced WHERE amount_minor = 0
),
free_first AS (
  SELECT trial_id, min(at) AS free_at FROM free GROUP BY trial_id
),
trouble AS (
  SELECT trial_id, min(failed_at) AS failed_at, max(CASE WHEN status IN ('draft', 'open') THEN 1 ELSE 0 END) AS is_open
  FROM own
  WHERE has_service AND total_minor > 0
  GROUP BY trial_id
),
account_payments AS (
  SELECT account_key, paid_at, 'stripe' AS source FROM intermediate.account_invoices WHERE total_minor > 0
  UNION ALL
  SELECT account_key, occurred_at, 'event' FROM intermediate.trial_announcements WHERE role = 'subscription_started' AND amount_minor > 0
),
ever AS (  -- an account that paid before the trial renews in it, and pays nothing for the first time
  SELECT t.trial_id, min(CASE WHEN b.source = 'event' OR b.paid_at > t.started_at THEN b.paid_at END) AS ever_paid_at
  FROM intermediate.trial_bases AS t
  INNER JOIN account_payments AS b ON b.account_key = t.account_key
  WHERE b.source = 'stripe' OR t.source = 'event'
  GROUP BY t.trial_id, t.started_at
  HAVING min(b.paid_at) >= t.started_at
)
SELECT
  CAST(t.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(f.paid_at AS TIMESTAMP) AS converted_at, -- first payment for a service period after the trial
  CAST(o.paid_at AS TIMESTAMP) AS own_paid_at, -- the same of the trial's own subscription alone
  CAST(f.paid_known_at AS TIMESTAMP) AS converted_known_at, -- when that was known
  CAST(f.link AS VARCHAR) AS link, -- same subscription, its successor, or an event of the product
  CAST(f.settlement AS VARCHAR) AS settlement, -- card, credit_balance or out_of_band
  CAST(f.total_minor AS BIGINT) AS amount_minor, -- amount of that payment
  CAST(f.currency AS VARCHAR) AS currency, -- its currency
  CAST(f.refunded_at AS TIMESTAMP) AS refunded_at, -- when all of it had been given back
  CAST(f.disputed_lost_at AS TIMESTAMP) AS disputed_lost_at, -- when a dispute over it was lost
  CAST(z.free_at AS TIMESTAMP) AS free_at, -- when a free plan or a 100 % discount began instead
  CAST(x.failed_at AS TIMESTAMP) AS failed_at, -- first sign that a service invoice could not be collected
  CAST(coalesce(x.is_open, 0) = 1 AS BOOLEAN) AS has_open_invoice, -- whether a service invoice waits to be paid
  CAST(v.ever_paid_at AS TIMESTAMP) AS ever_paid_at -- first payment of the account, for whatever, after the trial's start; NULL when it had paid before
FROM intermediate.trial_bases AS t
LEFT JOIN first_paid AS f ON f.trial_id = t.trial_id AND f.place = 1
LEFT JOIN own_first AS o ON o.trial_id = t.trial_id
LEFT JOIN free_first AS z ON z.trial_id = t.trial_id
LEFT JOIN trouble AS x ON x.trial_id = t.trial_id
LEFT JOIN ever AS v ON v.trial_id = t.trial_id
