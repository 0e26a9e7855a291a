/*
description: Trial facts as known by trial day, with the day from which the cancel request in force stands
grain: one row per trial and first trial day on which the facts hold
key: [trial_id, k_from]
not_null: [account_key, k_to]
incremental: [trial_id]
materialized: view
*/
WITH steps AS (
  SELECT
    s.*,
    lag(s.cancel_requested) OVER (PARTITION BY s.trial_id ORDER BY s.k_from) AS was_requested
  FROM intermediate.trial_fact_steps AS s
)

SELECT
  CAST(s.trial_id AS VARCHAR) AS trial_id, -- trial
  CAST(s.account_key AS INTEGER) AS account_key, -- canonical account
  CAST(s.k_from AS INTEGER) AS k_from, -- first trial day on which the facts hold
  CAST(s.k_to AS INTEGER) AS k_to, -- last one
  CAST(s.ends_no AS INTEGER) AS ends_no, -- day number of the end as known then, NULL for freemium
  CAST(s.cancel_requested AS BOOLEAN) AS cancel_requested, -- whether a cancel request stood
  -- a request taken back and made again counts from the second one
  CAST(CASE WHEN s.cancel_requested THEN max(CASE WHEN s.cancel_requested AND NOT coalesce(s.was_requested, FALSE) THEN s.k_from END) OVER (
    PARTITION BY s.trial_id ORDER BY s.k_from ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) END AS INTEGER) AS cancel_day, -- trial day from which the request in force stands, NULL without one
  CAST(s.card_on_file AS BOOLEAN) AS card_on_file, -- whether a payment method was on file, NULL unknown
  CAST(s.card_type AS VARCHAR) AS card_type, -- card_required, cardless or unknown
  CAST(s.plan AS VARCHAR) AS plan, -- plan as known then
  CAST(s.is_first_trial AS BOOLEAN) AS is_first_trial, -- whether no earlier trial of the account had ended
  CAST(s.is_add_on AS BOOLEAN) AS is_add_on, -- whether the account was paying at the start
  CAST(s.kind AS VARCHAR) AS kind -- trial or freemium
FROM steps AS s
