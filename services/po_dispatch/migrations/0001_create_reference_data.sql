create function texts(found jsonb) returns text[]
    language sql immutable strict parallel safe
    return (select coalesce(array_agg(item order by place), '{}')
            from jsonb_array_elements_text(found) with ordinality as elements(item, place)
            where item is not null);

create table store (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);

create table supplier (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);

create table offer (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now(),
    skus text[] generated always as (texts(jsonb_path_query_array(body, '$.versions[*].sku'))) stored
);

create index offer_by_sku on offer using gin (skus);
