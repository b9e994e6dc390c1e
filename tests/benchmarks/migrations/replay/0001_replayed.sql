-- depends:

create table replayed (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);
