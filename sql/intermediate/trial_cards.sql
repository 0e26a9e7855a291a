/*
description: What is known of payment methods around each trial, from Stripe or from the mapped product event.
grain: one row per trial
key: [trial_id]
not_null: [trial_id, card_type, card_status]
incremental: [trial_id]
accepted: {card_type: [card_required, cardless, unknown], card_status: [on_file, none, unknown]}
decision: card-at-start
*/
WITH stored AS (
  SELECT t.trial_id,
    max(CASE WHEN m.first_at <= t.started_at + p.card_at_start_minutes * INTERVAL 1 MINUTE
      AND (m.removed_at IS NULL OR m.removed_at > t.started_at + p.card_at_start_minutes * INTERVAL 1 MINUTE) THEN 1 ELSE 0 END) AS at_start,
    max(CASE WHEN m.first_at <= t.ended_at AND (m.removed_at IS NULL OR m.removed_at > t.ended_at) THEN 1 ELSE 0 END) AS at_end,
    max(CASE WHEN m.removed_at IS NULL OR m.removed_at < m.first_at THEN 1 ELSE 0 END) AS now,
    min(CASE WHEN m.added_at >= t.started_at AND m.added_at < t.end_basis_at THEN m.added_at END) AS added_at
  FROM intermediate.trial_bases AS t
  CROSS JOIN config.parameters AS p
  INNER JOIN intermediate.payment_methods AS m ON m.customer_id = t.customer_id
  GROUP BY t.trial_id
),
announced AS (
  SELECT t.trial_id, max(CASE WHEN a.occurred_at <= t.started_at + p.card_at_start_minutes * INTERVAL 1 MINUTE THEN 1 ELSE 0 END) AS at_start,
    min(CASE WHEN a.occurred_at >= t.started_at AND a.occurred_at < t.end_basis_at THEN a.occurred_at END) AS added_at
  FROM intermediate.trial_bases AS t
  CROSS JOIN config.parameters AS p
  INNER JOIN intermediate.trial_announcements AS a ON a.account_key = t.account_key AND a.role = 'card_added'
  GROUP BY t.trial_id
),
found AS (
  SELECT t.trial_id, t.history, coalesce(s.at_start, 0) AS stored_at_start, coalesce(s.at_end, 0) AS stored_at_end, coalesce(s.now, 0) AS stored_now,
    coalesce(a.at_start, 0) AS announced_at_start, CASE WHEN a.trial_id IS NULL THEN 0 ELSE 1 END AS is_announced,
    CASE WHEN a.added_at < s.added_at OR s.added_at IS NULL THEN a.added_at ELSE s.added_at END AS added_at
  FROM intermediate.trial_bases AS t
  LEFT JOIN stored AS s ON s.trial_id = t.trial_id
  LEFT JOIN announced AS a ON a.trial_id = t.trial_id
)
SELECT
  CAST(trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(CASE WHEN stored_at_start = 1 OR (announced_at_start = 1 AND history = 'event_product') THEN 'card_required'
    WHEN history = 'event' THEN 'cardless' ELSE 'unknown' END AS VARCHAR) AS card_type, -- whether a payment method was there some minutes after the start; unknown where nothing dated tells
  CAST(CASE WHEN stored_now = 1 OR (is_announced = 1 AND history = 'event_product') THEN 'on_file'
    WHEN history = 'event' THEN 'none' ELSE 'unknown' END AS VARCHAR) AS card_status, -- whether one is on file as of the cut
  CAST(stored_at_end = 1 AS BOOLEAN) AS had_card_at_end, -- whether one was on file when the subscription ended
  CAST(added_at AS TIMESTAMP) AS card_added_at -- first one stored during the trial
FROM found
