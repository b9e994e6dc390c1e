-- Read and written whole by every event: room on the page for the next version, and no compression (two thirds of an
-- update's CPU) up to the size of a page.
create table sales_order (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
) with (fillfactor = 50, toast_tuple_target = 8160);

create table store (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);
