create table sales_order (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);

create table store (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);
