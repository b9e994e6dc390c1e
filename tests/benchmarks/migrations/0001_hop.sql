create table hop_order (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);
