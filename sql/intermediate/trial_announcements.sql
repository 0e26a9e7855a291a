/*
description: Product events that tell of trials, subscriptions and cards, with the account they speak of.
grain: one row per event and what it means
key: [event_id, role]
not_null: [event_id, role, announced_key, account_key, occurred_at, known_at]
accepted: {role: [trial_started, trial_ended, subscription_started, subscription_ended, card_added]}
*/
WITH told AS (
  SELECT e.event_id, e.role, e.account_key, e.user_key, e.occurred_at, e.known_at
  FROM intermediate.notable_events AS e
  WHERE e.role IN ('trial_started', 'trial_ended', 'subscription_started', 'subscription_ended')
  UNION ALL
  SELECT e.event_id, m.milestone, e.account_key, e.user_key, e.occurred_at, e.known_at
  FROM intermediate.notable_events AS e
  INNER JOIN config.event_milestones AS m ON m.event_key = e.event_key
  WHERE m.milestone = 'card_added'
),
placed AS (  -- a call that names no account speaks of its user's
  SELECT t.event_id, t.role, CASE WHEN t.account_key <> 0 THEN t.account_key ELSE u.account_key END AS announced_key, t.occurred_at,
    CASE WHEN t.account_key <> 0 OR u.known_at IS NULL OR t.known_at > u.known_at THEN t.known_at ELSE u.known_at END AS known_at
  FROM told AS t
  LEFT JOIN intermediate.user_links AS u ON u.user_key = t.user_key
)
SELECT
  CAST(p.event_id AS VARCHAR) AS event_id, -- product event
  CAST(p.role AS VARCHAR) AS role, -- what it means
  CAST(p.announced_key AS INTEGER) AS announced_key, -- account it speaks of
  CAST(coalesce(l.account_key, p.announced_key) AS INTEGER) AS account_key, -- account that one has become
  CAST(p.occurred_at AS TIMESTAMP) AS occurred_at, -- when it happened
  CAST(p.known_at AS TIMESTAMP) AS known_at, -- when it could be known, with its account
  CAST(x.trial_ends_at AS TIMESTAMP) AS trial_ends_at, -- end the trial was announced with
  CAST(x.amount_minor AS BIGINT) AS amount_minor, -- money, minor units
  CAST(x.currency AS VARCHAR) AS currency, -- ISO 4217 code
  CAST(x.plan AS VARCHAR) AS plan -- plan
FROM placed AS p
LEFT JOIN intermediate.account_links AS l ON l.announced_key = p.announced_key
LEFT JOIN staging.event_properties AS x ON x.event_id = p.event_id
WHERE p.announced_key IS NOT NULL
