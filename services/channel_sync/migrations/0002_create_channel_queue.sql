create table channel_queue (like channel including all);

create function polled_store_ids(body jsonb) returns text[]
    language sql immutable parallel safe
    as $$
        select coalesce(array_agg(distinct version ->> 'store_id'), '{}')
        from jsonb_array_elements(body -> 'versions') version
        where (version ->> 'polls')::boolean and version ->> 'store_id' is not null
    $$;

alter table channel
    add column polled_store_ids text[] generated always as (polled_store_ids(body)) stored;
create index channel_polled_store_ids on channel using gin (polled_store_ids);
