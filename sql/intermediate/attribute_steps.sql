/*
description: >
  What the attributes of a trial's account were, by trial day: on each day the value said last among those known by then. A call that
  arrives late changes no earlier day, and does not replace a value said after it. Nothing is known
  before the day the trial's account is.
grain: one row per trial and run of trial days without a change
key: [trial_id, k_from]
not_null: [trial_id, account_key, k_from, k_to]
incremental: [account_key]
determines: {trial_id: account_key}
*/
WITH entries AS (
  SELECT
    t.trial_id, t.account_key, t.days_kept, a.attribute, a.value,
    greatest(t.start_no, d.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1 AS k,
    row_number() OVER (PARTITION BY t.trial_id, t.account_key, a.attribute ORDER BY a.occurred_at, a.known_at, a.value) AS said
  FROM intermediate.trial_dates AS t
  INNER JOIN intermediate.account_attributes AS a ON a.account_key = t.account_key
  INNER JOIN config.calendar AS d ON d.day = a.known_date
  WHERE greatest(d.day_no, coalesce(t.account_known_no, t.start_no)) - t.start_no + 1 <= t.days_kept
),

daily AS (
  SELECT e.trial_id, e.account_key, e.days_kept, e.attribute, e.k, max(e.said) AS said
  FROM entries AS e
  GROUP BY e.trial_id, e.account_key, e.days_kept, e.attribute, e.k
),

running AS (
  SELECT
    d.trial_id, d.account_key, d.days_kept, d.attribute, d.k, d.said,
    max(d.said) OVER (PARTITION BY d.trial_id, d.account_key, d.attribute ORDER BY d.k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS best
  FROM daily AS d
),

winners AS (
  SELECT
    r.trial_id, r.account_key, r.days_kept, r.attribute, r.k, e.value,
    lead(r.k) OVER (PARTITION BY r.trial_id, r.account_key, r.attribute ORDER BY r.k) AS next_k
  FROM running AS r
  INNER JOIN entries AS e
    ON e.trial_id = r.trial_id AND e.account_key = r.account_key AND e.attribute = r.attribute AND e.said = r.said
  WHERE r.said = r.best
),

starts AS (
  SELECT w.trial_id, w.account_key, w.days_kept, w.k
  FROM winners AS w
  GROUP BY w.trial_id, w.account_key, w.days_kept, w.k
),

spans AS (
  SELECT
    s.trial_id, s.account_key, s.k AS k_from,
    coalesce(lead(s.k) OVER (PARTITION BY s.trial_id, s.account_key ORDER BY s.k) - 1, s.days_kept) AS k_to
  FROM starts AS s
),

valid AS (
  SELECT s.trial_id, s.account_key, s.k_from, s.k_to, w.attribute, w.value
  FROM spans AS s
  INNER JOIN winners AS w
    ON w.trial_id = s.trial_id AND w.account_key = s.account_key AND w.k <= s.k_from AND coalesce(w.next_k, s.k_from + 1) > s.k_from
)

SELECT
  CAST(v.trial_id AS VARCHAR) AS trial_id, -- the trial
  CAST(v.account_key AS INTEGER) AS account_key, -- its account
  CAST(v.k_from AS INTEGER) AS k_from, -- first trial day the values hold
  CAST(v.k_to AS INTEGER) AS k_to, -- last trial day they hold
  CAST(max(CASE WHEN v.attribute = 'channel' THEN v.value END) AS VARCHAR) AS channel, -- how the account came, as said, else by its first known touch
  CAST(TRY_CAST(max(CASE WHEN v.attribute = 'each_attribute' THEN v.value END) AS each_attribute_type) AS each_attribute_type) AS each_attribute -- value of the attribute as of the day; NULL where the text does not fit the declared type
FROM valid AS v
GROUP BY v.trial_id, v.account_key, v.k_from, v.k_to
