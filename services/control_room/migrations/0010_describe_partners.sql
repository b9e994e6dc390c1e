-- Suppliers and stores as the journal heard of them last: for the words in which orders are explained.
create table described (
    family text not null,
    key text not null,
    said_at timestamptz not null,
    data jsonb not null,
    primary key (family, key)
);
