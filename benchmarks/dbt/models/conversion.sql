-- Trials by the week they started in: how many, how many converted in time, how many still may.
select
    cast(date_trunc('week', start_date) as date) as week,
    cast(count(*) as bigint) as trials,
    cast(count(*) filter (where converted_at <= deadline_at) as bigint) as converted,
    cast(count(*) filter (
        where converted_at is null and deadline_at >= timestamp '{{ var("as_of") }}'
            and outcome not in ('cancelled', 'converted_free')
    ) as bigint) as pending
from {{ source('files', 'trials') }}
group by all
