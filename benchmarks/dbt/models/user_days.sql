{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key=['account_id', 'user_id', 'activity_date']) }}
-- Use per account, user, day and day it became known. No look-back window: a day is made again when a file touches it,
-- however late.
{% if is_incremental() %}
with changed as (
    select distinct account_id, user_id, cast(occurred_at as date) as activity_date
    from {{ ref('stg_events') }}
    where file > (select max(file) from {{ this }})
),

days as (
{% else %}
with days as (
{% endif %}
    select
        e.account_id,
        e.user_id,
        cast(e.occurred_at as date) as activity_date,
        greatest(cast(e.received_at as date), cast(e.occurred_at as date)) as known_date,
        count(*) as events,
        count(*) filter (where n.is_value) as value_events,
        bit_or(n.feature_bit) as feature_mask,
        max(e.file) as file
    from {{ ref('stg_events') }} as e
    join {{ source('files', 'event_names') }} as n on n.event = e.event
    {% if is_incremental() %}
    semi join changed as c
        on c.account_id = e.account_id and c.user_id = e.user_id and c.activity_date = cast(e.occurred_at as date)
    {% endif %}
    group by all
),

so_far as (
    select *, sum(value_events) over (
        partition by account_id, user_id, activity_date order by known_date rows unbounded preceding
    ) as known_events
    from days
)

select
    account_id,
    user_id,
    activity_date,
    known_date,
    cast(events as integer) as events,
    cast(value_events as integer) as value_events,
    cast(
        least({{ var('events_per_day_cap') }}, known_events)
        - least({{ var('events_per_day_cap') }}, known_events - value_events) as integer
    ) as capped_events,
    feature_mask,
    file
from so_far
