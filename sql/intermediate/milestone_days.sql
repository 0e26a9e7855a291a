/*
description: >
  When an account first reached a milestone, as known day by day: a row stands here only if it is earlier than everything known on the days
  before. Facts are mapped events; for card_added also a setup intent that succeeded or a payment method that was attached (a network's
  automatic update of a card is neither); for drip_responded also a click or reply by a person. Excluded people reach nothing once known to
  be such.
grain: one row per account, milestone and day on which an earlier first time became known
key: [account_key, milestone, known_date]
not_null: [account_key, milestone, occurred_at, activity_date, known_date, evidence_id]
*/
WITH instant_days AS (  -- the reporting days each UTC date touches: an equality for the join, or it would compare every day
  SELECT CAST(starts_at AS DATE) AS utc_date, day, starts_at, ends_at FROM config.calendar
  UNION
  SELECT CAST(ends_at AS DATE), day, starts_at, ends_at FROM config.calendar
),

mapped AS (
  SELECT
    m.milestone, e.occurred_at, e.activity_date, e.event_id AS evidence_id,
    CASE WHEN e.account_key <> 0 THEN e.account_key ELSE l.account_key END AS announced_key,
    CASE WHEN e.account_key <> 0 THEN e.known_date ELSE greatest(e.known_date, coalesce(l.known_date, e.known_date)) END AS known_date
  FROM intermediate.notable_events AS e
  INNER JOIN config.event_milestones AS m ON m.event_key = e.event_key
  LEFT JOIN intermediate.user_links AS l ON l.user_key = e.user_key
  LEFT JOIN intermediate.users AS u ON u.user_key = e.user_key
  WHERE (u.excluded_date IS NULL OR u.excluded_date > e.known_date)
),

cards AS (
  SELECT s.customer_id, s.occurred_at, s.known_at, s.setup_intent_id AS evidence_id
  FROM staging.stripe_setup_intents AS s
  CROSS JOIN config.clock AS c
  WHERE s.event_type = 'setup_intent.succeeded' AND s.occurred_at < c.as_of AND s.known_at < c.known_at
  UNION ALL
  SELECT s.customer_id, s.occurred_at, s.known_at, s.payment_method_id AS evidence_id
  FROM staging.stripe_payment_methods AS s
  CROSS JOIN config.clock AS c
  WHERE s.event_type IN ('payment_method.attached', 'customer.source.created', 'customer.card.created') AND s.occurred_at < c.as_of AND s.known_at < c.known_at
  UNION ALL
  -- the snapshot of an attached payment method proves its own created instant
  SELECT s.customer_id, s.method_created_at AS occurred_at, s.known_at, s.payment_method_id AS evidence_id
  FROM staging.stripe_payment_methods AS s
  CROSS JOIN config.clock AS c
  WHERE s.kind = 'object' AND s.method_created_at < c.as_of AND s.known_at < c.known_at
),

stored AS (
  SELECT
    'card_added' AS milestone, k.occurred_at, d.day AS activity_date, k.evidence_id, a.account_key AS announced_key,
    greatest(d.day, n.day, a.known_date) AS known_date
  FROM cards AS k
  INNER JOIN intermediate.customer_accounts AS a ON a.customer_id = k.customer_id
  INNER JOIN instant_days AS d ON d.utc_date = CAST(k.occurred_at AS DATE) AND k.occurred_at >= d.starts_at AND k.occurred_at < d.ends_at
  INNER JOIN instant_days AS n ON n.utc_date = CAST(k.known_at AS DATE) AND k.known_at >= n.starts_at AND k.known_at < n.ends_at
),

facts AS (
  SELECT f.milestone, f.occurred_at, f.activity_date, f.evidence_id, f.announced_key, f.known_date FROM mapped AS f WHERE f.announced_key IS NOT NULL
  UNION ALL
  SELECT f.milestone, f.occurred_at, f.activity_date, f.evidence_id, f.announced_key, f.known_date FROM stored AS f
  UNION ALL
  SELECT 'drip_responded' AS milestone, f.occurred_at, f.activity_date, f.event_id AS evidence_id, f.account_key AS announced_key, f.known_date
  FROM intermediate.email_events AS f
  WHERE f.is_response
),

placed AS (
  SELECT
    coalesce(m.account_key, f.announced_key) AS account_key, f.milestone, f.occurred_at, f.activity_date, f.evidence_id,
    greatest(f.known_date, coalesce(m.known_date, f.known_date)) AS known_date
  FROM facts AS f
  LEFT JOIN intermediate.account_links AS m ON m.announced_key = f.announced_key
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
