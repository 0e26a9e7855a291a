/*
description: >-
  Every stay of a trial in a segment, by local days: a member from entered_on on, no member from left_on on.
grain: one row per trial, segment and entry
key: [trial_id, segment, entered_on]
not_null: [account_id]
incremental: [trial_id]
*/
SELECT
    CAST(m.trial_id AS VARCHAR) AS trial_id, -- the trial
    CAST(a.account_id AS VARCHAR) AS account_id, -- its account
    CAST(m.segment AS VARCHAR) AS segment, -- key of the segment
    CAST(m.entered_on AS DATE) AS entered_on, -- first day as a member
    CAST(m.left_on AS DATE) AS left_on, -- first day as no member; NULL while a member
    CAST(m.closed_reason AS VARCHAR) AS closed_reason -- aged_out when the trial's horizon closed it
FROM intermediate.memberships AS m
JOIN staging.accounts AS a ON a.account_key = m.account_key
