/*
description: >-
  What a rate can be split by: one row per trial and dimension. A dimension that is not known says `unknown`; it is
  never silently mixed with another value.
grain: one row per trial and split key
key: [trial_id, split_key]
not_null: [split_value]
incremental: [trial_id]
*/
WITH dimensions AS (
    SELECT t.trial_id, 'card_type' AS split_key, t.card_type AS split_value FROM marts.trials AS t
    UNION ALL
    SELECT t.trial_id, 'card_status' AS split_key, t.card_status AS split_value FROM marts.trials AS t
    UNION ALL
    SELECT t.trial_id, 'plan' AS split_key, t.plan AS split_value FROM marts.trials AS t
    UNION ALL
    SELECT t.trial_id, 'channel' AS split_key, t.channel AS split_value FROM marts.trials AS t
    UNION ALL
    SELECT t.trial_id, 'source' AS split_key, t.source AS split_value FROM marts.trials AS t
    UNION ALL
    SELECT t.trial_id, 'history' AS split_key, t.history AS split_value FROM marts.trials AS t
    UNION ALL
    SELECT t.trial_id, 'owner' AS split_key, t.owner AS split_value FROM marts.trials AS t
    UNION ALL
    SELECT t.trial_id, 'link' AS split_key, t.link AS split_value FROM marts.trials AS t
    UNION ALL
    SELECT t.trial_id, 'settlement' AS split_key, t.settlement AS split_value FROM marts.trials AS t
    UNION ALL
    SELECT t.trial_id, 'trial_number' AS split_key, CAST(t.trial_number AS VARCHAR) AS split_value FROM marts.trials AS t
)
SELECT
    CAST(d.trial_id AS VARCHAR) AS trial_id, -- the trial
    CAST(d.split_key AS VARCHAR) AS split_key, -- the dimension, as in `metrics --split`
    CAST(coalesce(d.split_value, 'unknown') AS VARCHAR) AS split_value -- its value for the trial
FROM dimensions AS d
