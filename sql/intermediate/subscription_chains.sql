/*
description: The order of changes to a subscription within one second, by their facts. One follows another when its previous_attributes lead back to the state the other one shows. Only seconds whose changes all fit together are told.
grain: one row per event
key: [source_id]
not_null: [source_id, subscription_id, place]
decision: version-order
*/
WITH known AS (
  SELECT s.*
  FROM staging.stripe_subscription_changes AS s
  CROSS JOIN config.clock AS c
  WHERE s.known_at < c.known_at AND s.occurred_at < c.as_of
),
counted AS (
  SELECT *, sum(CASE WHEN is_change THEN 1 ELSE 0 END) OVER (PARTITION BY subscription_id, occurred_at) AS changes
  FROM known
),
events AS (  -- a change and its repetition are alike and told apart by a number; more than nine changes in a second are no person's
  SELECT *, row_number() OVER (PARTITION BY subscription_id, occurred_at, state_before, state_after ORDER BY event_id) AS repetition
  FROM counted
  WHERE is_change AND changes BETWEEN 2 AND 9
),
one_step AS (
  SELECT a.record_id AS first_id, b.record_id AS then_id, 1 AS steps
  FROM events AS a
  INNER JOIN events AS b ON b.subscription_id = a.subscription_id AND b.occurred_at = a.occurred_at AND b.state_before = a.state_after AND b.record_id <> a.record_id
),
two_steps AS (
  SELECT first_id, then_id, min(steps) AS steps
  FROM (SELECT * FROM one_step UNION ALL SELECT a.first_id, b.then_id, a.steps + b.steps FROM one_step AS a INNER JOIN one_step AS b ON b.first_id = a.then_id) AS s
  GROUP BY first_id, then_id
),
four_steps AS (
  SELECT first_id, then_id, min(steps) AS steps
  FROM (SELECT * FROM two_steps UNION ALL SELECT a.first_id, b.then_id, a.steps + b.steps FROM two_steps AS a INNER JOIN two_steps AS b ON b.first_id = a.then_id) AS s
  GROUP BY first_id, then_id
),
eight_steps AS (
  SELECT first_id, then_id, min(steps) AS steps
  FROM (SELECT * FROM four_steps UNION ALL SELECT a.first_id, b.then_id, a.steps + b.steps FROM four_steps AS a INNER JOIN four_steps AS b ON b.first_id = a.then_id) AS s
  GROUP BY first_id, then_id
),
moments AS (  -- of the moment before; the event that creates a subscription comes before its changes
  SELECT e.subscription_id, e.occurred_at, max(k.occurred_at) AS before_at
  FROM (SELECT DISTINCT subscription_id, occurred_at FROM events) AS e
  INNER JOIN known AS k ON k.subscription_id = e.subscription_id AND (k.occurred_at < e.occurred_at OR (k.occurred_at = e.occurred_at AND NOT k.is_change))
  GROUP BY e.subscription_id, e.occurred_at
),
left_behind AS (
  SELECT DISTINCT m.subscription_id, m.occurred_at, k.state_after AS state
  FROM moments AS m
  INNER JOIN known AS k ON k.subscription_id = m.subscription_id AND k.occurred_at = m.before_at AND (m.before_at < m.occurred_at OR NOT k.is_change)
),
states AS (
  SELECT subscription_id, occurred_at, state, sum(weight) AS surplus, max(is_new) AS is_new
  FROM (
    SELECT subscription_id, occurred_at, state_before AS state, 1 AS weight, CASE WHEN is_new_before THEN 1 ELSE 0 END AS is_new FROM events
    UNION ALL
    SELECT subscription_id, occurred_at, state_after, -1, 0 FROM events
  ) AS s
  GROUP BY subscription_id, occurred_at, state
),
starts AS (  -- left more often than reached; when all is as before in the end, the state of the moment before, or one that was not made in this second
  SELECT s.subscription_id, s.occurred_at, s.state,
    row_number() OVER (PARTITION BY s.subscription_id, s.occurred_at ORDER BY s.surplus DESC, CASE WHEN b.state IS NULL THEN 1 ELSE 0 END, s.is_new, s.state) AS choice
  FROM states AS s
  LEFT JOIN left_behind AS b ON b.subscription_id = s.subscription_id AND b.occurred_at = s.occurred_at AND b.state = s.state
),
distances AS (
  SELECT r.then_id AS record_id, min(r.steps) AS steps
  FROM eight_steps AS r
  INNER JOIN events AS e ON e.record_id = r.first_id
  INNER JOIN starts AS s ON s.subscription_id = e.subscription_id AND s.occurred_at = e.occurred_at AND s.state = e.state_before AND s.choice = 1
  GROUP BY r.then_id
),
earlier AS (
  SELECT then_id AS record_id, count(*) AS events_before
  FROM eight_steps
  WHERE first_id <> then_id
  GROUP BY then_id
),
placed AS (
  SELECT e.record_id, e.event_id, e.subscription_id, e.occurred_at, e.changes, e.repetition, coalesce(b.events_before, 0) AS events_before,
    CASE WHEN s.state IS NOT NULL THEN 0 ELSE coalesce(d.steps, 9) END AS steps, CASE WHEN e.state_before = e.state_after THEN 0 ELSE 1 END AS moves
  FROM events AS e
  LEFT JOIN earlier AS b ON b.record_id = e.record_id
  LEFT JOIN distances AS d ON d.record_id = e.record_id
  LEFT JOIN starts AS s ON s.subscription_id = e.subscription_id AND s.occurred_at = e.occurred_at AND s.state = e.state_before AND s.choice = 1
),
joined AS (
  SELECT *, max(events_before) OVER (PARTITION BY subscription_id, occurred_at) AS most_before
  FROM placed
)
SELECT
  CAST(record_id AS VARCHAR) AS source_id, -- Stripe record of the change
  CAST(subscription_id AS VARCHAR) AS subscription_id, -- Stripe's id
  CAST(rank() OVER (PARTITION BY subscription_id, occurred_at ORDER BY events_before, repetition, steps, moves) AS INTEGER) AS place -- place among the changes of its second; the same where facts do not tell
FROM joined
WHERE most_before = changes - 1
