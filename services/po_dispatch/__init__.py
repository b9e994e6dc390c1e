"""Purchasing: chooses suppliers for a paid order, orders from them, hands them R, and follows the parcels.

Consumes  order.ready, .cancellation_started, .cancellation_refused, .lines_given_up · store, supplier, offer,
          shipping_rule and packaging.changed · supplier.po_confirmed, .po_refused, .cancellation_answered,
          .delay_reported, .shipped, carrier.reported · invoice.issued, .cancelled
          channel.label_available, .delivery_reported
          supplier_nf.matched, remittance_nf.matched · supplier_payment.settled, .refused · sourcing.retry_due,
          .offer_waking_due, .supplier_waking_due (from itself) · the rest of its queue changes nothing here, see
          `decide`
Publishes sourcing.quote_needed, .out_of_stock, .given_up, those to itself · purchase_order.created, .sent, .confirmed,
          .refused, .rerouted, .cancelled, .cancel_refused, .late · fulfilment.stopped · invoice.handed_over
          shipment.dispatched, .delayed, .delivered, .problem_reported, .resumed, .found, .irregular
Calls     the ERP (RegisterPurchaseOrder: its number becomes the PO's; RevisePurchaseOrder, VoidPurchaseOrder),
          suppliers, by HTTP or by mail (SendPurchaseOrder, RemindSupplier, CancelPurchaseOrder, HandOverInvoice)
Owns      `fulfilment`, keyed by order id: the order's POs, their shipments, and R and label until they are handed over;
          `store`, `supplier`, `offer`, `shipping_rule`, `packaging`: the reference data, as timelines

Invariants
* What the living POs deliver, what was given up and what is open make up what was ordered, by order line, always: no
  line is bought twice.
* What is open is bought, waits for offers (and is tried again), or its order is being cancelled; nothing is forgotten.
* A PO is registered before it is created and created before it is sent; its number never changes, its lines only by
  what its supplier refuses. Its status follows `machine.TRANSITIONS`; void is for good.
* Nothing is sent twice: what was asked for is set in the decision that makes the call.
* R goes to a supplier once, not while it is open whether the PO goes on, and where the channel makes the label only
  together with it.
* A supplier speaks only of its own POs. Milestones may come in any order; each is published once.
* Whatever left the supplier is a shipment, also when it should not have left: then `shipment.irregular` says so. What
  leaves for a void PO is only that: the order does not wait for it.
* A PO has left, and is delivered, when its parcels cover its lines (`parcels.py`): each parcel is told with the lines
  that are still open after it. Until it has left it is late by its deadline, whatever has arrived.

Where words cross
* The goods leave while the PO is being cancelled: they count, whatever is answered; the cancellation is refused.
* A refusal crosses our cancellation: it ends it, for the PO. "Yes" after "too late" counts: it will not deliver.
* The ERP's number comes for a PO that is void by then: it is kept, and nobody hears of the PO.
* A confirmation comes after the deadline: the PO is void and bought elsewhere, and its supplier was told so when it was
  cancelled, in the lane of the PO; "too late" to that is a dead letter for a person. A confirmation after the
  supplier's own refusal is answered with a cancellation.
* An S2 of a void PO diverges (nf_reconciliation); money that arrives for one is a claim (billing).
* An answer to the cancellation that never comes: a PO that was never heard of falls to its deadline, for another
  `purchase_order.late` (cancellation) tells a person.
"""
