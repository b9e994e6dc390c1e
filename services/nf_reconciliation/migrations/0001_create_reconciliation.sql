create function texts_at(body jsonb, path jsonpath) returns text[]
    language sql immutable parallel safe
    as $$ select coalesce(array_agg(found #>> '{}'), '{}') from jsonb_path_query(body, path) found $$;

-- Read and written whole by every event: room on the page for the next version, and no compression (two thirds of an
-- update's CPU) up to the size of a page.
create table nota_fiscal (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
) with (fillfactor = 50, toast_tuple_target = 8160);

create table purchase_order (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now(),
    supplier_id text generated always as (body #>> '{created,supplier_id}') stored,
    supplier_skus text[] generated always as (texts_at(body, '$.created.lines[*].supplier_sku')) stored,
    invoice_keys text[] generated always as (texts_at(body, '$.invoices[*].invoice_key')) stored
) with (fillfactor = 50, toast_tuple_target = 8160);
create index purchase_order_supplier_skus on purchase_order using gin (supplier_skus);
create index purchase_order_invoice_keys on purchase_order using gin (invoice_keys);

create table order_pos (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
) with (fillfactor = 50, toast_tuple_target = 8160);

create table supplier (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);

create table store (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now(),
    seller_cnpjs text[] generated always as (texts_at(body, '$.versions[*].seller.cnpj')) stored
);
create index store_seller_cnpjs on store using gin (seller_cnpjs);
