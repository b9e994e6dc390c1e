"""Purchasing: chooses suppliers for a paid order, orders from them, hands them R, and follows the parcels.

Consumes  order.ready · store/supplier/offer.changed · supplier.po_confirmed, supplier.shipped, carrier.reported
          invoice.issued · channel.label_available, channel.delivery_reported · supplier_nf.matched,
          remittance_nf.matched · supplier_payment.settled (the rest of its queue changes nothing here, see `decide`)
Publishes sourcing.quote_needed, sourcing.out_of_stock · purchase_order.created, .sent, .confirmed
          invoice.handed_over · shipment.dispatched, .delivered, .problem_reported, .irregular
Calls     the ERP (RegisterPurchaseOrder: its number becomes the PO's), suppliers (SendPurchaseOrder, HandOverInvoice)
Owns      `fulfilment`, keyed by order id: the order's POs, their shipments, and R and label until they are handed over;
          `store`, `supplier`, `offer`: the reference data, as timelines

Invariants
* A PO is registered before it is created and created before it is sent; its number and lines never change after.
* Nothing is sent twice: `ordered` and `handing_over` are set in the decision that makes the call.
* R goes to a supplier once, and where the channel makes the label only together with it.
* A supplier speaks only of its own POs. Milestones may come in any order; each is published once.
* Whatever left the supplier is a shipment, also when it should not have left: then `shipment.irregular` says so.
"""
