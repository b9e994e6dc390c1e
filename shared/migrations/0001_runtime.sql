-- What the worker, the caller and the reminders keep, in every service's own schema.

-- Events that were handled. Partitioned by week and dropped whole, by time_partitions() below.
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

-- Calls to partners that are not closed, sent oldest first within a lane. Every call changes its status several times.
-- Who closes one moves it to partner_call_done in the same statement, so this table stays small for ever.
create table partner_call (
    id uuid primary key,
    seq bigint generated always as identity,
    partner text not null,
    lane text not null,
    key text not null,
    aggregate text not null,
    operation text not null,
    request jsonb not null,
    status text not null check (status in ('pending', 'leased', 'answered', 'exhausted')),
    generation int not null default 1,
    attempt int not null default 0,
    due timestamptz not null,
    lease_until timestamptz,
    lease_token uuid,
    created_at timestamptz not null,
    exhaust_at timestamptz not null,
    revived_at timestamptz,
    uncertain boolean not null default false,
    error text,
    answer jsonb,
    occurrence uuid,
    finished_at timestamptz,
    correlation text,
    traceparent text
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
alter table partner_call alter column request set storage external, alter column answer set storage external;
create index partner_call_lane on partner_call (partner, lane, seq) where status in ('pending', 'leased');
create index partner_call_oldest on partner_call (partner, seq) where status in ('pending', 'leased');
create unique index partner_call_occurrence on partner_call (occurrence) where occurrence is not null;

-- Closed calls, for people to look at; nothing in the cycle reads them. Partitioned by week and dropped whole.
create table partner_call_done (
    closed_on date not null default current_date,
    id uuid not null,
    partner text not null,
    lane text not null,
    key text not null,
    aggregate text not null,
    operation text not null,
    request jsonb not null,
    status text not null,
    generation int not null,
    attempt int not null,
    created_at timestamptz not null,
    finished_at timestamptz,
    uncertain boolean not null,
    error text,
    answer jsonb,
    occurrence uuid,
    correlation text,
    traceparent text
) partition by range (closed_on);
alter table partner_call_done alter column request set storage external, alter column answer set storage external;
create index partner_call_done_id on partner_call_done (id);
comment on column partner_call_done.status is 'Before it was closed: answered, or exhausted where a person discarded it.';

-- One row per partner, changed in place by rates, failures and what ends them: rate limit and circuit of all replicas.
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

-- Makes a table's partitions for now and `ahead` more, each of `step` days, and drops the oldest of those whose last
-- day is `keep` days ago. Days are UTC. `overdue` says how many more are to be dropped: call it again.
--
-- The service's role may call it, though it owns no table. Nobody waits for it: a partition is attached after it is
-- made, because `create table … partition of` would lock out every reader and writer of the table; dropping one does
-- need the whole table for a moment, so it is tried for 200 ms, one partition a transaction, and left for the next
-- call where a reader does not let go. Of two calls at once one does nothing.
create function time_partitions(parent text, step int, ahead int, keep int,
                                out created int, out dropped int, out overdue int)
language plpgsql security definer
set search_path from current
set lock_timeout = '200ms'
set timezone = 'UTC'
as $$
declare
    owned text := current_schema();
    monday constant date := '2001-01-01';
    slot date;
    oldest text;
begin
    if step < 1 or ahead < 1 or keep < 1 then
        raise exception 'time_partitions: step, ahead and keep are at least 1, not %, % and %', step, ahead, keep;
    end if;
    created := 0;
    dropped := 0;
    overdue := 0;
    if not pg_try_advisory_xact_lock(hashtextextended('time_partitions ' || parent, owned::regnamespace::oid::bigint)) then
        return;
    end if;
    for place in -1 .. ahead loop
        slot := monday + ((current_date - monday) / step + place) * step;
        if to_regclass(format('%I.%I', owned, parent || to_char(slot, '_YYYYMMDD'))) is null then
            execute format('create table %1$I.%2$I (like %1$I.%3$I including all)',
                           owned, parent || to_char(slot, '_YYYYMMDD'), parent);
            execute format('alter table %1$I.%3$I attach partition %1$I.%2$I for values from (%4$L) to (%5$L)',
                           owned, parent || to_char(slot, '_YYYYMMDD'), parent, slot, slot + step);
            created := created + 1;
        end if;
    end loop;
    select count(*), min(c.relname) into overdue, oldest
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = format('%I.%I', owned, parent)::regclass and c.relname ~ '_[0-9]{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') + step <= current_date - keep;
    if oldest is not null then
        begin
            execute format('drop table %I.%I', owned, oldest);
            dropped := 1;
            overdue := overdue - 1;
        exception when lock_not_available then
            raise notice 'time_partitions: % is in use and stays for now', oldest;
        end;
    end if;
end
$$;

do $$ begin
    perform time_partitions('inbox', 7, 8, 21);
    perform time_partitions('partner_call_done', 7, 8, 21);
end $$;
