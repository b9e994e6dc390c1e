drop index offer_by_sku;

alter table offer drop column skus;

create index offer_by_sku on offer using gin ((jsonb_path_query_array(body, '$.versions[*].sku')));
