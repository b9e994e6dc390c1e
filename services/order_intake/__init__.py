"""order_intake keeps the order book: what was ordered, whether it is paid, how far it has come, how it ends.

consumes  `order.placed`, `.change_requested`, `.cancellation_requested`, `payment.approved`, `.expired`,
          `store.changed`; the milestones of all others (`sourcing.*`, `purchase_order.*`, `supplier_nf.*`,
          `remittance_nf.matched`, `invoice.*`, `shipment.*`, `fulfilment.stopped`, `billing.stopped`, `refund.*`, and
          what happens beside the status: payables, supplier payments, what channel and customer were told)
publishes `order.accepted`, `.refused`, `.changed`, `.change_refused`, `.ready`, `.payment_received` (one that came
          after it), `.status_changed`, `.completed`, `.cancellation_started`, `.cancellation_refused`, `.cancelled`,
          `.lines_given_up`, `refund.requested`
calls     the ERP: the sales order when it is accepted and when it is changed; "concluido" and "cancelado"
owns      the order, its canonical status, its cancellation, its refunds, its completion after the return window

Invariants
* An order's record holds facts: the customer's payments, the ERP's number, what the suppliers were asked, what they and
  SEFAZ did. Facts only grow and are the same in whatever order they arrive, also where they arrive before the order.
* The canonical status is a pure function of the facts (`decide/status.py`): a PO stands where its furthest milestone
  puts it; of the POs that are not void the least advanced decides; what no PO buys (never, not yet, or not any more) is
  less advanced than any PO. So a message that is late, repeated or out of order never moves an order back; a PO that
  is routed again, an R that was cancelled, and a cancellation do, because they are facts.
* Every move that is published is one of `decide/moves.py`. Where several facts arrive at once, the statuses of the
  main line that were passed are published too, in order, each as an event of its own.
* `order.ready` is published once: accepted, fully paid, registered in the ERP as it is now (where the store has one),
  and not being cancelled. Until then an order may be changed; after it no more. A change that crosses
  the payment of what the order was is taken back where the difference is not paid in time.
* Asked first, done last: `order.cancelled` follows `fulfilment.stopped` and `billing.stopped`, and comes at once only
  where `order.ready` was never said. Each wish to cancel is answered, and one attempt at a time is made. An R that
  billing could not cancel any more leaves the order being cancelled until a person has decided: `billing.stopped` says
  so, and the order is cancelled or goes on.
* What the customer paid beyond what the order costs goes back, whenever it comes: all of a cancelled order, what was
  paid twice, and what was given up of an order that goes on (nobody has it in the store's time, and the rest has left).
* The store's settings hold for an order as they were when it was placed.
"""
