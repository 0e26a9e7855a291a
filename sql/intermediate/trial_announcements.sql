/*
description: Product events that tell of trials, subscriptions and cards, with the account they speak of.
grain: one row per event and what it means
key: [event_id, role]
not_null: [event_id, role, announced_key, account_key, occurred_at, known_at]
incremental: [event_id]
accepted: {role: [trial_started, trial_ended, subscription_started, subscription_ended, card_added]}
*/
WITH told AS (
  SELECT e.event_id, e.role, e.announced_key, e.account_key, e.occurred_at, e.known_at
  FROM intermediate.placed_events AS e
  WHERE e.role IN ('trial_started', 'trial_ended', 'subscription_started', 'subscription_ended')
  UNION ALL
  SELECT e.event_id, m.milestone, e.announced_key, e.account_key, e.occurred_at, e.known_at
  FROM intermediate.placed_events AS e
  INNER JOIN config.event_milestones AS m ON m.event_key = e.event_key
  WHERE m.milestone = 'card_added'
)
SELECT
  CAST(t.event_id AS VARCHAR) AS event_id, -- product event
  CAST(t.role AS VARCHAR) AS role, -- what it means
  CAST(t.announced_key AS INTEGER) AS announced_key, -- account it speaks of
  CAST(t.account_key AS INTEGER) AS account_key, -- account that one has become
  CAST(t.occurred_at AS TIMESTAMP) AS occurred_at, -- when it happened
  CAST(t.known_at AS TIMESTAMP) AS known_at, -- when it could be known, with its account
  CAST(x.trial_ends_at AS TIMESTAMP) AS trial_ends_at, -- end the trial was announced with
  CAST(x.amount_minor AS BIGINT) AS amount_minor, -- money, minor units
  CAST(x.currency AS VARCHAR) AS currency, -- ISO 4217 code
  CAST(x.plan AS VARCHAR) AS plan -- plan
FROM told AS t
LEFT JOIN staging.event_properties AS x ON x.event_id = t.event_id
