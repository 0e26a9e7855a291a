/*
description: Every stay of a trial in a segment, with the dates it entered and left
grain: one row per trial, segment and entry
key: [trial_id, segment, entered_on]
not_null: [account_key]
accepted: {closed_reason: [aged_out]}
incremental: [trial_id]
checks:
  - name: a_stay_lasts_a_day
    level: fail
    sql: SELECT trial_id, segment, entered_on FROM intermediate.memberships WHERE left_on <= entered_on
*/
WITH days AS (
  SELECT
    d.trial_id, d.account_key, d.trial_day, d.activity_date, d.members,
    coalesce(lag(d.members) OVER (PARTITION BY d.trial_id ORDER BY d.trial_day), 0) AS members_before
  FROM intermediate.segment_days AS d
),

changes AS (
  SELECT d.trial_id, d.account_key, d.trial_day, d.activity_date, s.segment, (d.members & s.bit) <> 0 AS is_entry
  FROM days AS d
  JOIN config.segments AS s ON (d.members & s.bit) <> (d.members_before & s.bit)
  WHERE d.members <> d.members_before
),

stays AS (
  SELECT
    c.trial_id, c.account_key, c.segment, c.is_entry,
    c.activity_date AS entered_on,
    lead(c.activity_date) OVER (PARTITION BY c.trial_id, c.segment ORDER BY c.trial_day) AS left_on
  FROM changes AS c
)

SELECT
  CAST(s.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(s.account_key AS INTEGER) AS account_key, -- canonical account
  CAST(s.segment AS VARCHAR) AS segment, -- segment
  CAST(s.entered_on AS DATE) AS entered_on, -- first day of the stay
  CAST(coalesce(s.left_on, a.day) AS DATE) AS left_on, -- first day no longer in it, NULL while the stay goes on
  CAST(CASE WHEN s.left_on IS NULL AND a.day IS NOT NULL THEN 'aged_out' END AS VARCHAR) AS closed_reason -- aged_out when the trial reached its horizon inside the segment
FROM stays AS s
JOIN intermediate.trial_dates AS t ON t.trial_id = s.trial_id
CROSS JOIN config.clock AS c
LEFT JOIN config.calendar AS a ON a.day_no = t.last_no + 1 AND t.last_no < c.as_of_no
WHERE s.is_entry
