"""The worker cycle: take what waits, lock its keys, decide, save, publish, ack.

`worker` supervises sessions with the broker; `session` is one of them; `batch` is the transaction in its middle;
`fold` applies the pure decisions; `store` is its SQL. Everything that happens to an event is in the same
transaction as the state it changed.
"""
