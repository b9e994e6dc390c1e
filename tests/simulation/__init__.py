"""The deterministic simulation: every decision of every service, on a broker, stores and partners in memory.

`world` holds all of it together; `scheduler` says what comes next; `replica`, `transaction` and `calling` are the
worker cycle, `broker`, `store` and `lookups` what it stands on; `fleet` is the services; `partners`, `issuing` and
`documents` are the world outside; `scenario` is what a seed decides beforehand, `invariants` and `ending` what must
hold; `many` runs many seeds. The fold, the routes, ids, decoding and upcasts, and above all the decisions and their
subscription tables are the product's own.
"""
