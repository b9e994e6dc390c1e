-- What the worker, the caller and the reminders keep, in every service's own schema.

-- Events that were handled. Partitioned by week and dropped whole, by inbox_partitions() below.
create table inbox (
    ref uuid not null,
    received_on date not null default current_date,
    primary key (ref, received_on)
) partition by range (received_on);

-- Events that still matter: waiting for something, dead, or held behind a dead one of their key.
create table inbox_kept (
    ref uuid primary key,
    seq bigint generated always as identity,
    status text not null check (status in ('waiting', 'dead', 'held')),
    source text not null,
    id text not null,
    type text,
    subject text,
    key text,
    attempt int not null default 0,
    due timestamptz,
    occurrence uuid,
    reason text,
    error text,
    first_at timestamptz not null,
    last_at timestamptz not null,
    content_type text,
    headers jsonb not null default '{}',
    body bytea not null,
    edited bytea,
    replay_id text
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
create index inbox_kept_due on inbox_kept (due) where status = 'waiting';
create index inbox_kept_key on inbox_kept (key, seq) where status in ('dead', 'held');
create unique index inbox_kept_occurrence on inbox_kept (occurrence) where occurrence is not null;

-- What a batch sends, as it is sent. Rows live for one batch: vacuum by count, not by share, and do not compress.
create table outgoing (
    batch uuid primary key,
    at timestamptz not null default now(),
    exchanges text[] not null,
    routing_keys text[] not null,
    content_types text[] not null,
    message_ids text[] not null,
    bodies bytea[] not null
) with (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 2000
);
alter table outgoing alter column bodies set storage external;

-- Calls to partners, sent oldest first within a lane. Every call changes its status several times.
create table partner_call (
    id uuid primary key,
    seq bigint generated always as identity,
    partner text not null,
    lane text not null,
    key text not null,
    aggregate text not null,
    operation text not null,
    request jsonb not null,
    status text not null check (status in ('pending', 'leased', 'answered', 'exhausted', 'closed')),
    generation int not null default 1,
    attempt int not null default 0,
    due timestamptz not null,
    lease_until timestamptz,
    lease_token uuid,
    created_at timestamptz not null,
    exhaust_at timestamptz not null,
    uncertain boolean not null default false,
    error text,
    answer jsonb,
    occurrence uuid,
    finished_at timestamptz,
    correlation text,
    traceparent text
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index partner_call_lane on partner_call (partner, lane, seq) where status in ('pending', 'leased');
create unique index partner_call_occurrence on partner_call (occurrence) where occurrence is not null;
create index partner_call_due on partner_call (due) where status = 'pending';

-- One row per partner, changed in place by every call: rate limit and circuit, shared by the replicas.
create table partner_gate (
    partner text primary key,
    next_at timestamptz not null default now(),
    open_until timestamptz,
    failures int not null default 0
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- Messages to oneself at a time. Of one key, name and aggregate there is one; setting it again replaces it.
create table reminder (
    key text not null,
    name text not null,
    aggregate text not null,
    due timestamptz not null,
    note jsonb not null default '{}',
    correlation text,
    generation uuid not null,
    primary key (key, name, aggregate)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index reminder_due on reminder (due);

-- Gapless number series: the row is locked by the batch that takes from it.
create table number_series (
    name text primary key,
    following bigint not null
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- Makes the inbox's partitions for this week and `ahead` more, and drops those that ended more than `keep` weeks ago.
-- The service's role may call it, though it owns no table. A partition that is in use is left for the next call.
-- Attached after it is made, because `create table … partition of` would lock out every reader and writer of the inbox.
create function inbox_partitions(ahead int default 8, keep int default 3, out created int, out dropped int)
language plpgsql security definer
set search_path from current
set lock_timeout = '2s'
as $$
declare
    this_week date := date_trunc('week', current_date)::date;
    first_day date;
    partition text;
begin
    if ahead < 1 or keep < 1 then
        raise exception 'inbox_partitions: ahead and keep are at least 1 week, not % and %', ahead, keep;
    end if;
    created := 0;
    dropped := 0;
    perform pg_advisory_xact_lock(hashtextextended('inbox_partitions', current_schema()::regnamespace::oid::bigint));
    for week in 0 .. ahead loop
        first_day := this_week + week * 7;
        partition := 'inbox_' || to_char(first_day, 'YYYYMMDD');
        if to_regclass(partition) is null then
            execute format('create table %I (like inbox including defaults including indexes)', partition);
            execute format('alter table inbox attach partition %I for values from (%L) to (%L)',
                           partition, first_day, first_day + 7);
            created := created + 1;
        end if;
    end loop;
    for partition in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'inbox'::regclass and c.relname ~ '^inbox_[0-9]{8}$'
          and to_date(right(c.relname, 8), 'YYYYMMDD') + 7 <= this_week - keep * 7
    loop
        begin
            execute format('drop table %I', partition);
            dropped := dropped + 1;
        exception when lock_not_available then
            raise notice 'inbox_partitions: % is in use and stays for now', partition;
        end;
    end loop;
end
$$;

do $$ begin perform inbox_partitions(); end $$;
