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

create table channel_order (
    key                text primary key,
    version            int not null,
    body               jsonb not null,
    updated_at         timestamptz not null default now(),
    store_id           text generated always as (body #>> '{sale,store_id}') stored,
    channel_id         text generated always as (body #>> '{sale,channel_id}') stored,
    channel_order_code text generated always as (body #>> '{sale,channel_order_code}') stored
);

create index channel_order_by_code on channel_order (channel_id, channel_order_code);
