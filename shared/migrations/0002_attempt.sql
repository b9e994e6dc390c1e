-- Attempts to handle what may have killed a process, written before each and gone with the transaction that ends it.
-- Only deliveries that were given back more than once are marked; a few rows at most, and none that stays for long.
create table attempt (
    message uuid not null,
    place int not null,
    begun int not null,
    by text not null,
    at timestamptz not null default now(),
    primary key (message, place)
);
comment on column attempt.message is 'Hash of routing key and body: the message is not decoded yet.';
comment on column attempt.place is 'Of the event in the message, from 0; -1: while the message is decoded.';
comment on column attempt.begun is 'Attempts that began and never ended, as far as is known.';
