-- A refund is reported by its own id.

alter table bill add column refund_ids text[] generated always as (
    text_array(jsonb_path_query_array(body, '$.refunds[*].refund_id'))
) stored;
create index bill_refund_ids on bill using gin (refund_ids);
