"""Bills orders: R (the nota fiscal to the customer), what suppliers are owed and paid, and the ledger.

Consumes  `order.ready`, `purchase_order.created`, `supplier_nf.matched`, `remittance_nf.matched`,
          `shipment.dispatched`, `shipment.delivered`, `supplier_payment.reported`, and what it looks up:
          `store.changed`, `channel.changed`, `supplier.changed`, `tax_profile.changed`.
Publishes `invoice.issued`, `invoice.refused`, `payable.opened`, `supplier_payment.ordered`, `.settled`, `.refused`.
Calls     SEFAZ (AuthoriseInvoice) and the ERP (MarkDispatched, OrderSupplierPayment).
Owns      `bill` (one per order), the number series, `invoice_document` (the XML of each R), `ledger_entry`.

What holds at any time, in whatever order messages come, and however often:

* R is issued once for each PO (or once for the order: the store's setting, or the channel's), after every S2 of what
  it bills has matched. The totals of an order's R add up to the order's total, to the cent.
* A number that was taken from a series is used: everything that could keep R from being written is looked at before.
  What SEFAZ rejects stays in the bill, under its number, with SEFAZ's reason.
* A payable opens once per duplicata of a matched S2, and its payment is ordered once.
* Every movement of the ledger balances, and none is ever changed or removed.

Read on: `state` (what a bill remembers), `decide` (what follows from a message), `draft` (what R will say).
"""
