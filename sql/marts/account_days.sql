/*
description: Product use of every account on every day it used the product.
grain: one row per account and day
key: [account_id, activity_date]
incremental: [account_id, activity_date]
*/
SELECT
    CAST(u.account_id AS VARCHAR) AS account_id, -- the account
    CAST(u.activity_date AS DATE) AS activity_date, -- the local day
    CAST(sum(u.events) AS BIGINT) AS events, -- events of any name
    CAST(sum(u.value_events) AS BIGINT) AS value_events, -- value events
    CAST(count(DISTINCT CASE WHEN u.value_events > 0 THEN u.user_key END) AS BIGINT) AS active_users -- people with a value event
FROM intermediate.user_days AS u
GROUP BY u.account_id, u.activity_date
