-- depends: 0001_create_control_room

-- What dead letters are found and grouped by; one row each, written once. The ledger's own rows change with every
-- action, so they have no index but the one for their status.
create table dead_letter_facts (
    occurrence text primary key,
    service text not null,
    reason text not null,
    exception text,
    error text not null,
    pattern text not null,
    event_type text,
    event_id text,
    event_subject text,
    key text,
    order_id text,
    supplier_id text,
    channel_id text,
    store_id text,
    attempts int not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    event jsonb,
    words tsvector not null
) with (toast_tuple_target = 512);
-- Lists and groups read narrow rows: event and words lie beside them.
create index dead_letter_facts_latest on dead_letter_facts (last_at desc, occurrence desc);
create index dead_letter_facts_order on dead_letter_facts (order_id) where order_id is not null;
create index dead_letter_facts_subject on dead_letter_facts (event_subject) where event_subject is not null;
create index dead_letter_facts_key on dead_letter_facts (service, key) where key is not null;
create index dead_letter_facts_event on dead_letter_facts using gin (event jsonb_path_ops);
create index dead_letter_facts_words on dead_letter_facts using gin (words);
create trigger dead_letter_facts_is_written_once before update on dead_letter_facts
for each row execute function refuse_change();

-- The rest of bodies that are too large for one message, by the position of their first byte.
create table dead_letter_bytes (
    occurrence text not null,
    position int not null,
    bytes bytea not null,
    primary key (occurrence, position)
);
alter table dead_letter_bytes alter column bytes set storage external;

-- Dead letters from before this migration are found by all but full text and fields of their event.
insert into dead_letter_facts
select key, service, reason, null, left(split_part(body -> 'letter' ->> 'error', e'\n', 1), 200), '', event_type,
       body -> 'letter' ->> 'event_id', event_subject, event_key, order_id, null, null, null,
       (body -> 'letter' ->> 'attempts')::int, (body -> 'letter' ->> 'first_at')::timestamptz,
       (body -> 'letter' ->> 'last_at')::timestamptz, null, ''::tsvector
from dead_letter where body ? 'letter';

drop index dead_letter_latest;
drop index dead_letter_order;
drop index dead_letter_subject;
alter table dead_letter drop column service;
alter table dead_letter drop column reason;
alter table dead_letter drop column event_type;
alter table dead_letter drop column event_subject;
alter table dead_letter drop column event_key;
alter table dead_letter drop column order_id;
alter table dead_letter drop column last_at;
alter table dead_letter add column next_occurrence text generated always as (body ->> 'next_occurrence') stored;
alter table dead_letter set (toast_tuple_target = 256, fillfactor = 70);
-- What lists and groups need of the ledger, without its wide rows.
create index dead_letter_now on dead_letter (key) include (status, next_occurrence);
