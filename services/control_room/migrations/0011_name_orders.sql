-- depends: 0003_find_dead_letters

-- What else orders are called by: `po_number:1042`, `tracking_code:BR1`. For dead letters that name no order.
create table order_name (
    name text primary key,
    order_id text not null,
    said_at timestamptz not null
);
create index order_name_order on order_name (order_id);

alter table dead_letter_facts add column order_name text;
create index dead_letter_facts_name on dead_letter_facts (order_name) where order_name is not null;
