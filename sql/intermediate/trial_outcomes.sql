/*
description: Exactly one outcome per trial as of the cut, the first rule that matches.
grain: one row per trial
key: [trial_id]
not_null: [trial_id, outcome, effective_end_at, deadline_at, is_inferred, is_final, is_active]
accepted: {outcome: [converted, converted_late, converted_free, pending, cancelled, payment_failed, no_payment_method, expired, merged]}
incremental: [trial_id]
decision: outcomes
*/
WITH dated AS (  -- a freemium trial that stays free has gone on to nothing: its $0 invoices convert nothing
  SELECT t.trial_id, t.source, t.kind, t.ended_at, t.ends_at, t.end_basis_at, t.deadline_at, t.cancel_requested_at, t.is_merged,
    p.converted_at, CASE WHEN t.kind = 'trial' THEN p.free_at END AS free_at, p.failed_at, p.has_open_invoice, s.dunning_at, s.paused_at, k.had_card_at_end,
    t.kind = 'freemium' AND t.ended_at < t.started_at + g.freemium_days * INTERVAL 1 DAY AS is_left,  -- by its user, before the horizon
    coalesce(s.is_lost_by_payment, false) AS is_lost_by_payment, coalesce(s.is_paused, false) AS is_paused,
    CASE WHEN p.converted_at < t.end_basis_at THEN p.converted_at ELSE t.end_basis_at END AS effective_end_at,
    t.started_at < c.as_of AS has_started, CASE WHEN p.converted_at < t.end_basis_at THEN c.as_of < p.converted_at ELSE c.as_of < t.end_basis_at END AS is_before_end,
    c.as_of <= t.collected_by_at AS is_collecting, c.as_of > t.deadline_at AS is_past_deadline
  FROM intermediate.trial_bases AS t
  CROSS JOIN config.clock AS c
  CROSS JOIN config.parameters AS g
  INNER JOIN intermediate.trial_payments AS p ON p.trial_id = t.trial_id
  INNER JOIN intermediate.trial_cards AS k ON k.trial_id = t.trial_id
  LEFT JOIN intermediate.billing_trial_states AS s ON s.trial_id = t.trial_id
),
judged AS (
  SELECT *,
    CASE
      WHEN is_merged THEN 'merged'
      WHEN converted_at <= deadline_at THEN 'converted'
      WHEN converted_at > deadline_at THEN 'converted_late'
      WHEN free_at IS NOT NULL THEN 'converted_free'
      WHEN is_before_end THEN 'pending'
      WHEN has_open_invoice AND is_collecting THEN 'pending'
      WHEN cancel_requested_at < ends_at OR (is_left AND NOT is_lost_by_payment) THEN 'cancelled'
      WHEN failed_at IS NOT NULL OR dunning_at IS NOT NULL OR is_lost_by_payment THEN 'payment_failed'
      WHEN paused_at IS NOT NULL THEN 'no_payment_method'
      WHEN source = 'stripe' AND ended_at >= ends_at AND NOT had_card_at_end THEN 'no_payment_method'
      ELSE 'expired'
    END AS outcome
  FROM dated
)
SELECT
  CAST(trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(outcome AS VARCHAR) AS outcome, -- what became of it
  CAST(CASE WHEN outcome IN ('pending', 'merged') THEN NULL WHEN outcome IN ('converted', 'converted_late') THEN converted_at WHEN outcome = 'converted_free' THEN free_at
    WHEN outcome = 'cancelled' THEN end_basis_at ELSE effective_end_at END AS TIMESTAMP) AS outcome_at, -- when; NULL while pending and for merged
  CAST(effective_end_at AS TIMESTAMP) AS effective_end_at, -- first of planned end, end of the subscription and payment
  CAST(deadline_at AS TIMESTAMP) AS deadline_at, -- last instant at which a payment still counts, inclusive
  CAST(outcome = 'no_payment_method' AND paused_at IS NULL AS BOOLEAN) AS is_inferred, -- nobody said why it was canceled at the end; no payment method was known
  CAST(is_merged OR converted_at IS NOT NULL OR outcome IN ('cancelled', 'converted_free') OR is_past_deadline AS BOOLEAN) AS is_final, -- whether the default conversion rate can no longer change by it
  CAST(is_paused AS BOOLEAN) AS is_paused, -- status paused as of the cut
  CAST(has_started AND is_before_end AND NOT is_paused AND NOT is_merged AS BOOLEAN) AS is_active -- in trial as of the cut
FROM judged
