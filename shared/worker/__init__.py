"""The worker cycle: take what waits, lock its keys, decide, save, publish, ack.

Read it in the order in which an event comes by:

    worker      supervises sessions with the broker, and what runs beside them (due events, reminders, sweeper)
    session     one of them: three loops that take, handle and send; the only place where anything is acked
    intake      what waits, and the next batch (`decode` from bytes to events, `routes` to their decisions)
    transact    brings a batch into the database, whatever that answers (`trouble` says what the answers mean)
    handling    the transaction: lock, drop what is known, load, decide, save, all at once or not at all
    deciding    the decisions in the right order (`fold` applies them to the states, with no I/O)
    effects     what they changed, saved in bulk (`outbox` has what they said; `store` all the SQL)

Beside the way: `suspects` (what may have killed a process), `deadletter`, `replays` and `rehearsal` (orders of
control_room), `reminders`, `partitions`, `tap` (a consumer that only keeps). Everything that happens to an event is in
the same transaction as the state it changed.
"""
