-- Bills, the reference data that they look at, the XML of each R, and the ledger.

create function text_array(jsonb) returns text[]
    language sql immutable strict parallel safe
    as 'select array(select jsonb_array_elements_text($1))';

-- Read and written whole by every event: room on the page for the next version, and no compression (two thirds of an
-- update's CPU) up to the size of a page.
create table bill (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now(),
    store_id text generated always as (body -> 'order' ->> 'store_id') stored,
    channel_id text generated always as (body -> 'order' ->> 'channel_id') stored,
    supplier_ids text[] generated always as (
        text_array(jsonb_path_query_array(body, '$.purchase_orders[*].created.supplier_id'))
    ) stored,
    supplied boolean generated always as (jsonb_path_exists(body, '$.purchase_orders[*].supplier_nfs[*]')) stored,
    payable_ids text[] generated always as (
        text_array(jsonb_path_query_array(body, '$.payables[*].payable_id'))
    ) stored
) with (fillfactor = 50, toast_tuple_target = 8160);
create index bill_payable_ids on bill using gin (payable_ids);

create table store (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now()
);

create table channel (like store including all);
create table supplier (like store including all);
create table tax_profile (like store including all);

create table invoice_document (
    access_key text primary key,
    order_id text not null,
    invoice_id text not null unique,
    xml bytea not null,
    issued_at timestamptz not null
);
create index invoice_document_order on invoice_document (order_id);

-- Double entry: a movement is two or more entries whose debits and credits add up to the same.
create table ledger_entry (
    movement_id uuid not null,
    entry smallint not null,
    order_id text not null,
    account text not null,
    debit numeric(15, 2) not null default 0,
    credit numeric(15, 2) not null default 0,
    at timestamptz not null,
    primary key (movement_id, entry),
    constraint debit_or_credit check (debit >= 0 and credit >= 0 and (debit > 0) <> (credit > 0))
);
create index ledger_entry_order on ledger_entry (order_id);

create function movement_balances() returns trigger
    language plpgsql
    as $$
declare
    difference numeric;
begin
    select sum(debit) - sum(credit) into difference from ledger_entry where movement_id = new.movement_id;
    if difference <> 0 then
        raise exception 'movement % does not balance: debits less credits are %', new.movement_id, difference
            using errcode = 'check_violation';
    end if;
    return null;
end
$$;

create constraint trigger movement_balances
    after insert on ledger_entry
    deferrable initially deferred
    for each row execute function movement_balances();

create function ledger_is_append_only() returns trigger
    language plpgsql
    as $$
begin
    raise exception 'the ledger is append-only: correct it with another movement' using errcode = 'check_violation';
end
$$;

create trigger ledger_is_append_only
    before update or delete or truncate on ledger_entry
    for each statement execute function ledger_is_append_only();

revoke update, delete on ledger_entry, invoice_document from fleet_billing;
