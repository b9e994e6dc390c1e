create table shipping_rule (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);

create table packaging (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);

alter table fulfilment add column waiting_skus text[] generated always as
    (texts(jsonb_path_query_array(body, '$.waiting[*].sku'))) stored;

create index fulfilment_by_waiting_sku on fulfilment using gin (waiting_skus) where waiting_skus <> '{}';
