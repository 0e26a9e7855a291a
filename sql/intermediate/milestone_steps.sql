/*
description: First date of every milestone of a trial's account, by trial day, as known on each. A milestone known late changes no earlier day.
grain: one row per trial and run of trial days without a new milestone
key: [trial_id, k_from]
not_null: [trial_id, account_key, k_from, k_to]
incremental: [account_key]
determines: {trial_id: account_key}
*/
WITH news AS (
  SELECT
    t.trial_id, t.account_key, t.days_kept, greatest(t.start_no, d.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1 AS k,
    min(CASE WHEN m.milestone = 'each_milestone' THEN m.activity_date END) AS each_milestone_on
  FROM intermediate.trial_dates AS t
  INNER JOIN intermediate.milestone_days AS m ON m.account_key = t.account_key
  INNER JOIN config.calendar AS d ON d.day = m.known_date
  WHERE greatest(d.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1 <= t.days_kept
  GROUP BY t.trial_id, t.account_key, t.days_kept, greatest(t.start_no, d.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1
),

running AS (
  SELECT
    n.trial_id, n.account_key, n.k AS k_from,
    coalesce(lead(n.k) OVER (PARTITION BY n.trial_id, n.account_key ORDER BY n.k) - 1, n.days_kept) AS k_to,
    min(n.each_milestone_on) OVER (PARTITION BY n.trial_id, n.account_key ORDER BY n.k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS each_milestone_on
  FROM news AS n
)

SELECT
  CAST(r.trial_id AS VARCHAR) AS trial_id, -- the trial
  CAST(r.account_key AS INTEGER) AS account_key, -- its account
  CAST(r.k_from AS INTEGER) AS k_from, -- first trial day the dates hold
  CAST(r.k_to AS INTEGER) AS k_to, -- last trial day they hold
  CAST(r.each_milestone_on AS DATE) AS each_milestone_on -- reporting day the account first reached the milestone, as known by then
FROM running AS r
