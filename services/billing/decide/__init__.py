"""PURE: what follows from each message about an order's money."""

from services.billing.decide.fulfilment import (
    on_order_ready,
    on_purchase_order_created,
    on_remittance_nf_matched,
    on_shipment_delivered,
    on_shipment_dispatched,
    on_supplier_nf_matched,
)
from services.billing.decide.invoices import on_dispatch_marked, on_invoice_answered
from services.billing.decide.payables import on_supplier_payment_reported, on_supplier_payment_taken

__all__ = [
    "on_dispatch_marked",
    "on_invoice_answered",
    "on_order_ready",
    "on_purchase_order_created",
    "on_remittance_nf_matched",
    "on_shipment_delivered",
    "on_shipment_dispatched",
    "on_supplier_nf_matched",
    "on_supplier_payment_reported",
    "on_supplier_payment_taken",
]
