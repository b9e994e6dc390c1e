create table channel (
    key        text primary key,
    version    int not null,
    body       jsonb not null,
    updated_at timestamptz not null default now()
);

create table store (
    key        text primary key,
    version    int not null,
    body       jsonb not null,
    updated_at timestamptz not null default now()
);

-- Read and written whole by every event: room on the page for the next version, and no compression (two thirds of an
-- update's CPU) up to the size of a page.
create table channel_order (
    key                text primary key,
    version            int not null,
    body               jsonb not null,
    updated_at         timestamptz not null default now(),
    store_id           text generated always as (body #>> '{sale,store_id}') stored,
    channel_id         text generated always as (body #>> '{sale,channel_id}') stored,
    channel_order_code text generated always as (body #>> '{sale,channel_order_code}') stored
) with (fillfactor = 50, toast_tuple_target = 8160);

create index channel_order_by_code on channel_order (channel_id, channel_order_code);
