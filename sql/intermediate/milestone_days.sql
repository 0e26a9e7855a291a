/*
description: >
  When an account first reached a milestone, as known day by day: a row stands here only if it is earlier than everything known on the days
  before. Facts are mapped events; for card_added also a setup intent that succeeded or a payment method that was attached (a network's
  automatic update of a card is neither); for drip_responded also a click or reply by a person. Excluded people reach nothing once known to
  be such.
grain: one row per account, milestone and day on which an earlier first time became known
key: [account_key, milestone, known_date]
not_null: [account_key, milestone, occurred_at, activity_date, known_date, evidence_id]
incremental: [account_key]
*/
WITH placed AS (
  SELECT f.account_key, m.milestone, f.occurred_at, f.activity_date, f.event_id AS evidence_id, f.known_date
  FROM intermediate.placed_events AS f
  INNER JOIN config.event_milestones AS m ON m.event_key = f.event_key
  WHERE NOT f.is_excluded
  UNION ALL
  SELECT f.account_key, 'card_added' AS milestone, f.occurred_at, f.activity_date, f.evidence_id, f.known_date
  FROM intermediate.card_events AS f
  UNION ALL
  SELECT f.account_key, 'drip_responded' AS milestone, f.occurred_at, f.activity_date, f.event_id AS evidence_id, f.known_date
  FROM intermediate.email_events AS f
  WHERE f.is_response
),

ranked AS (
  SELECT p.*, row_number() OVER (PARTITION BY p.account_key, p.milestone, p.known_date ORDER BY p.occurred_at, p.evidence_id) AS place
  FROM placed AS p
),

firsts AS (
  SELECT
    r.account_key, r.milestone, r.occurred_at, r.activity_date, r.known_date, r.evidence_id,
    min(r.occurred_at) OVER (PARTITION BY r.account_key, r.milestone ORDER BY r.known_date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS known_before
  FROM ranked AS r
  WHERE r.place = 1
)

SELECT
  CAST(f.account_key AS INTEGER) AS account_key, -- account after merges
  CAST(f.milestone AS VARCHAR) AS milestone, -- key of the milestone
  CAST(f.occurred_at AS TIMESTAMP) AS occurred_at, -- first time, as known on known_date
  CAST(f.activity_date AS DATE) AS activity_date, -- reporting day of it
  CAST(f.known_date AS DATE) AS known_date, -- reporting day from which this first time may be used
  CAST(f.evidence_id AS VARCHAR) AS evidence_id -- event, setup intent or payment method that proves it
FROM firsts AS f
WHERE f.known_before IS NULL OR f.occurred_at < f.known_before
