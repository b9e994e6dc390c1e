-- Read and written whole by every event: room on the page for the next version, and no compression (two thirds of an
-- update's CPU) up to the size of a page.
create table fulfilment (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now(),
    po_numbers text[] generated always as
        (texts(jsonb_path_query_array(body, '$.purchase_orders[*].number'))) stored,
    tracking_codes text[] generated always as
        (texts(jsonb_path_query_array(body, '$.purchase_orders[*].shipments[*].tracking_code'))) stored
) with (fillfactor = 50, toast_tuple_target = 8160);

create index fulfilment_by_po_number on fulfilment using gin (po_numbers);
create index fulfilment_by_tracking_code on fulfilment using gin (tracking_codes);
