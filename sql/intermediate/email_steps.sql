/*
description: E-mail of a trial's account since the trial's first day, cumulated by trial day as known on each. A message delivered counts as sent.
grain: one row per trial and run of trial days without e-mail news
key: [trial_id, k_from]
not_null: [trial_id, account_key, k_from, k_to]
incremental: [account_key]
determines: {trial_id: account_key}
*/
WITH news AS (
  SELECT
    t.trial_id, t.account_key, t.days_kept, greatest(t.start_no, d.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1 AS k,
    CAST(sum(CASE WHEN e.activity_date >= t.start_date THEN e.sent ELSE 0 END) AS INTEGER) AS sent,
    CAST(sum(CASE WHEN e.activity_date >= t.start_date THEN e.delivered ELSE 0 END) AS INTEGER) AS delivered,
    CAST(sum(CASE WHEN e.activity_date >= t.start_date THEN e.opened ELSE 0 END) AS INTEGER) AS opened,
    CAST(sum(CASE WHEN e.activity_date >= t.start_date THEN e.clicked ELSE 0 END) AS INTEGER) AS clicked,
    CAST(sum(CASE WHEN e.activity_date >= t.start_date THEN e.replied ELSE 0 END) AS INTEGER) AS replied,
    CAST(sum(e.unsubscribed) AS INTEGER) AS unsubscribed
  FROM intermediate.trial_dates AS t
  INNER JOIN intermediate.email_days AS e ON e.account_key = t.account_key
  INNER JOIN config.calendar AS d ON d.day = e.known_date
  WHERE greatest(d.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1 <= t.days_kept AND (e.activity_date >= t.start_date OR e.unsubscribed > 0)
  GROUP BY t.trial_id, t.account_key, t.days_kept, greatest(t.start_no, d.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1
),

running AS (
  SELECT
    n.trial_id, n.account_key, n.k AS k_from,
    coalesce(lead(n.k) OVER (PARTITION BY n.trial_id, n.account_key ORDER BY n.k) - 1, n.days_kept) AS k_to,
    CAST(sum(n.sent) OVER (PARTITION BY n.trial_id, n.account_key ORDER BY n.k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS sent,
    CAST(sum(n.delivered) OVER (PARTITION BY n.trial_id, n.account_key ORDER BY n.k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS delivered,
    CAST(sum(n.opened) OVER (PARTITION BY n.trial_id, n.account_key ORDER BY n.k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS opened,
    CAST(sum(n.clicked) OVER (PARTITION BY n.trial_id, n.account_key ORDER BY n.k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS clicked,
    CAST(sum(n.replied) OVER (PARTITION BY n.trial_id, n.account_key ORDER BY n.k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS replied,
    CAST(sum(n.unsubscribed) OVER (PARTITION BY n.trial_id, n.account_key ORDER BY n.k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INTEGER) AS unsubscribed
  FROM news AS n
)

SELECT
  CAST(r.trial_id AS VARCHAR) AS trial_id, -- the trial
  CAST(r.account_key AS INTEGER) AS account_key, -- its account
  CAST(r.k_from AS INTEGER) AS k_from, -- first trial day the numbers hold
  CAST(r.k_to AS INTEGER) AS k_to, -- last trial day they hold
  CAST(greatest(r.sent, r.delivered) AS INTEGER) AS emails_sent, -- messages sent since the trial's first day
  CAST(r.opened AS INTEGER) AS emails_opened, -- openings, without privacy proxies
  CAST(r.clicked AS INTEGER) AS emails_clicked, -- clicks, without link scanners
  CAST(r.replied AS INTEGER) AS emails_replied, -- replies
  CAST(r.unsubscribed > 0 AS BOOLEAN) AS is_unsubscribed -- somebody of the account unsubscribed, before the trial too
FROM running AS r
