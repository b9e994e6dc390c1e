"""Bills orders: R (the nota fiscal to the customer), what suppliers are owed and paid, and the ledger.

Consumes  `order.ready`, `.payment_received`, `.cancellation_started`, `.cancellation_refused`,
          `.cancellation_decided`, `purchase_order.created`, `.refused`, `.cancelled`, `sourcing.given_up`,
          `fulfilment.stopped`,
          `supplier_nf.matched`, `remittance_nf.matched`, `shipment.dispatched`, `.delivered`,
          `supplier_payment.reported`, `refund.requested`, `.reported`, and what it looks up: `store.changed`,
          `channel.changed`, `supplier.changed`, `tax_profile.changed`.
Publishes `invoice.issued`, `.refused`, `.cancelled`, `.reduced`, `billing.stopped`, `payable.opened`, `.withheld`,
          `supplier_payment.ordered`, `.settled`, `.refused`, `refund.ordered`, `.settled`, `.failed`.
Calls     SEFAZ (AuthoriseInvoice, CancelInvoice) and the ERP (MarkDispatched, OrderSupplierPayment, OrderRefund).
Owns      `bill` (one per order), the number series, `invoice_document` (the XML of each R), `ledger_entry`.

What holds at any time, in whatever order messages come, and however often:

* R is issued once for each PO (or once for the order: the store's setting, or the channel's), after every S2 of what
  it bills has matched. The totals of an order's R add up to the order's total, to the cent.
* A number that was taken from a series is used: everything that could keep R from being written is looked at before.
  What SEFAZ rejects stays in the bill, under its number, with SEFAZ's reason.
* A payable opens once per duplicata of a matched S2, and its payment is ordered once; a prepaid PO opens an advance.
* R in force that bills goods which do not come is cancelled at SEFAZ; where it is too late for that it is told
  (`invoice.refused`, with POs and money), and what replaces the goods is billed once a person took R back: by an entry
  NF, as a whole while nothing of it has left, else for what does not come. The same decision again changes nothing.
* While an order's cancellation is under way no R is issued; R in force are cancelled only when nothing is bought any
  more, and `billing.stopped` names those that stay.
* Every movement of the ledger balances, and none is ever changed or removed.

Read on: `state` (what a bill remembers), `decide` (what follows from a message), `draft` (what R will say).
"""
