{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='id') }}
-- Every event once: of several copies the one received first. A file is read once.
with arrived as (
    select id, event, account_id, user_id, timestamp as occurred_at, received_at, file
    from {{ source('files', 'events') }}
    {% if is_incremental() %}
    where file > (select max(file) from {{ this }})
    {% endif %}
),

ranked as (
    select *, row_number() over (partition by id order by received_at, file) as copy
    from arrived
)

select r.id, r.event, r.account_id, r.user_id, r.occurred_at, r.received_at, r.file
from ranked as r
{% if is_incremental() %}
left join {{ this }} as t on t.id = r.id
where r.copy = 1 and (t.id is null or r.received_at < t.received_at)
{% else %}
where r.copy = 1
{% endif %}
