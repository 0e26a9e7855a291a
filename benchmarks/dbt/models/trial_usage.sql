{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='trial_id') }}
-- Windows over the use of every trial on each of its days, as known at the day's end. What happened on day k and was known
-- on day f stands in a window of w days on the days from f to k + w - 1: it comes on f and goes on k + w.
with trials as (
    select trial_id, account_id, start_date, complete_days
    from {{ source('files', 'trials') }}
    {% if is_incremental() %}
    where account_id in (
        select account_id from {{ ref('user_days') }} where file > (select max(file) from {{ this }})
    )
    {% endif %}
),

activity as (
    select
        t.trial_id,
        t.complete_days,
        u.activity_date - t.start_date + 1 as k,
        u.known_date - t.start_date + 1 as f,
        cast(sum(u.value_events) as integer) as value_events,
        cast(sum(u.capped_events) as integer) as capped_events,
        bit_or(u.feature_mask) as feature_mask
    from trials as t
    join {{ ref('user_days') }} as u on u.account_id = t.account_id and u.activity_date >= t.start_date
    where u.known_date - t.start_date + 1 <= t.complete_days
    group by all
),

active as (
    select trial_id, k, min(f) as f from activity where value_events > 0 group by all
),

moves as (
    select
        trial_id, f as trial_day, 0 as on_time, 0 as a3, 0 as a7, 0 as a14, 0 as a28,
        value_events as e7, capped_events as c7, value_events as total, feature_mask,
        case when value_events > 0 then k else 0 end as last_k
    from activity
    where f < k + 7
    union all
    select trial_id, f, 0, 0, 0, 0, 0, 0, 0, value_events, feature_mask, case when value_events > 0 then k else 0 end
    from activity
    where f >= k + 7
    union all
    select trial_id, k + 7, 0, 0, 0, 0, 0, -value_events, -capped_events, 0, 0, 0 from activity where f < k + 7
    union all
    select
        trial_id, f, case when f = k then 1 else 0 end, case when f < k + 3 then 1 else 0 end,
        case when f < k + 7 then 1 else 0 end, case when f < k + 14 then 1 else 0 end,
        case when f < k + 28 then 1 else 0 end, 0, 0, 0, 0, 0
    from active
    union all
    select trial_id, k + 3, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0 from active where f < k + 3
    union all
    select trial_id, k + 7, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0 from active where f < k + 7
    union all
    select trial_id, k + 14, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0 from active where f < k + 14
    union all
    select trial_id, k + 28, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0 from active where f < k + 28
),

moved as (
    select
        trial_id, trial_day, sum(on_time) as on_time, sum(a3) as a3, sum(a7) as a7, sum(a14) as a14, sum(a28) as a28,
        sum(e7) as e7, sum(c7) as c7, sum(total) as total, bit_or(feature_mask) as feature_mask, max(last_k) as last_k
    from moves
    group by all
),

days as (
    select trial_id, start_date, unnest(range(1, complete_days + 1)) as trial_day from trials
)

select
    d.trial_id,
    cast(d.trial_day as integer) as trial_day,
    cast(d.start_date + cast(d.trial_day - 1 as integer) as date) as activity_date,
    cast(coalesce(m.on_time, 0) as integer) as active_today,
    cast(coalesce(sum(m.a3) over so_far, 0) as integer) as active_days_3d,
    cast(coalesce(sum(m.a7) over so_far, 0) as integer) as active_days_7d,
    cast(coalesce(sum(m.a14) over so_far, 0) as integer) as active_days_14d,
    cast(coalesce(sum(m.a28) over so_far, 0) as integer) as active_days_28d,
    cast(coalesce(sum(m.e7) over so_far, 0) as integer) as value_events_7d,
    cast(coalesce(sum(m.c7) over so_far, 0) as integer) as capped_events_7d,
    cast(coalesce(sum(m.total) over so_far, 0) as integer) as value_events_total,
    cast(bit_count(coalesce(bit_or(m.feature_mask) over so_far, 0)) as integer) as features_used,
    cast(coalesce(max(m.last_k) over so_far, 0) as integer) as last_active_day,
    (select max(file) from {{ ref('user_days') }}) as file
from days as d
left join moved as m on m.trial_id = d.trial_id and m.trial_day = d.trial_day
window so_far as (partition by d.trial_id order by d.trial_day rows unbounded preceding)
