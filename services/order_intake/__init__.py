"""order_intake keeps the order book: what was ordered, whether it is paid, and how far it has come.

consumes  `order.placed`, `payment.approved`, `store.changed`; the milestones of all others (`sourcing.*`,
          `purchase_order.*`, `supplier_nf.*`, `remittance_nf.matched`, `invoice.*`, `shipment.*`, and what happens
          beside the status: payables, supplier payments, what channel and customer were told)
publishes `order.accepted`, `order.status_changed`, `order.ready`, `order.completed`
calls     the ERP: the sales order when it is accepted, "concluido" when it is completed
owns      the order, its canonical status, and its completion after the store's return window

Invariants
* An order's record holds facts: the customer's payments, the ERP's number, and per PO which milestones were reached
  when. Facts only grow and are the same in whatever order they arrive. They may arrive before the order itself.
* The canonical status is a pure function of the facts (`decide/status.py`): of the POs the least advanced decides,
  a PO stands where its furthest milestone puts it.
* The published status never moves backwards. Where several facts arrive at once, the statuses of the main line that
  were passed are published too, in order, each as an event of its own.
* `order.ready` is published once: accepted, fully paid, and registered in the ERP (where the store has one).
* The store's settings hold for an order as they were when it was placed.
"""
