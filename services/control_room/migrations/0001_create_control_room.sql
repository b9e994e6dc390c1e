-- depends:

create sequence journal_position;

-- Everything that the entry exchanges carried, one row an event. Partitions are made and dropped by day.
create table journal (
    received_at timestamptz not null default clock_timestamp(),
    position bigint not null default nextval('journal_position'),
    ref uuid not null,
    source text,
    id text,
    type text,
    subject text,
    order_id text,
    time timestamptz,
    correlation text,
    causation text,
    exchange text not null,
    routing_key text not null,
    content_type text,
    body bytea not null
) partition by range (received_at);

create index journal_ref on journal (ref);
create index journal_order on journal (order_id) where order_id is not null;
create index journal_subject on journal (subject) where order_id is null;
create index journal_id on journal (id);
create index journal_correlation on journal (correlation);

-- Rows of a day whose partition was not made in time; they move when it is.
create table journal_unplaced partition of journal default;

-- Orders as the journal saw them last.
create table order_summary (
    order_id text primary key,
    store_id text,
    channel_id text,
    channel_order_code text,
    total numeric(15, 2),
    accepted_at timestamptz,
    status text,
    status_at timestamptz,
    latest timestamptz generated always as (greatest(accepted_at, status_at)) stored
);
create index order_summary_status on order_summary (status, latest desc);
create index order_summary_latest on order_summary (latest desc);

create table dead_letter (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now(),
    status text not null generated always as (body ->> 'status') stored,
    service text generated always as (body -> 'letter' ->> 'service') stored,
    reason text generated always as (body -> 'letter' ->> 'reason') stored,
    event_type text generated always as (body -> 'letter' ->> 'event_type') stored,
    event_subject text generated always as (body -> 'letter' ->> 'event_subject') stored,
    event_key text generated always as (body -> 'letter' ->> 'key') stored,
    order_id text generated always as (body ->> 'order_id') stored,
    last_at text collate "C" generated always as (body -> 'letter' ->> 'last_at') stored
);
create index dead_letter_latest on dead_letter (last_at desc, key);
create index dead_letter_status on dead_letter (status, last_at desc);
create index dead_letter_order on dead_letter (order_id) where order_id is not null;
create index dead_letter_subject on dead_letter (event_subject);

-- What was done about dead letters: append-only.
create table dead_letter_action (
    action_id text not null,
    step text not null check (step in ('ordered', 'resolved', 'failed')),
    occurrence text not null,
    row_id uuid not null unique,
    at timestamptz not null,
    action text,
    actor text,
    reason text,
    outcome text,
    primary key (action_id, step)
);
create index dead_letter_action_occurrence on dead_letter_action (occurrence, at);

create function refuse_change() returns trigger language plpgsql as
$$ begin raise exception '% is append-only', tg_table_name; end $$;
create trigger dead_letter_action_is_append_only before update or delete on dead_letter_action
for each row execute function refuse_change();

-- Makes the journal's partitions from yesterday to `ahead` days from now, and drops those older than `keep` days.
-- A partition that is in use stays until the next time. Days are UTC.
create function journal_partitions(ahead int default 3, keep int default 30, out created int, out dropped int)
language plpgsql security definer
set search_path from current
set lock_timeout = '2s'
set timezone = 'UTC'
as $$
declare
    first_day date;
    partition text;
begin
    if ahead < 1 or keep < 1 then
        raise exception 'journal_partitions: ahead and keep are at least 1 day, not % and %', ahead, keep;
    end if;
    created := 0;
    dropped := 0;
    perform pg_advisory_xact_lock(hashtextextended('journal_partitions', current_schema()::regnamespace::oid::bigint));
    for day in -1 .. ahead loop
        first_day := current_date + day;
        partition := 'journal_' || to_char(first_day, 'YYYYMMDD');
        if to_regclass(partition) is null then
            execute format('create table %I (like journal including defaults including indexes)', partition);
            execute format('with late as (delete from journal_unplaced where received_at >= %L and received_at < %L '
                           'returning *) insert into %I select * from late', first_day, first_day + 1, partition);
            execute format('alter table journal attach partition %I for values from (%L) to (%L)',
                           partition, first_day::timestamptz, (first_day + 1)::timestamptz);
            created := created + 1;
        end if;
    end loop;
    delete from journal_unplaced where received_at < (current_date - keep)::timestamptz;
    for partition in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'journal'::regclass and c.relname ~ '^journal_[0-9]{8}$'
          and to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - keep
    loop
        begin
            execute format('drop table %I', partition);
            dropped := dropped + 1;
        exception when lock_not_available then
            raise notice 'journal_partitions: % is in use and stays for now', partition;
        end;
    end loop;
end
$$;

do $$ begin perform journal_partitions(); end $$;
