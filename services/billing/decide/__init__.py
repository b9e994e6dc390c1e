"""PURE: what follows from each message about an order's money."""

from services.billing.decide.cancelling import on_cancellation_answered, on_cancellation_exhausted
from services.billing.decide.fulfilment import (
    on_cancellation_refused,
    on_given_up,
    on_order_ready,
    on_purchase_order_cancelled,
    on_purchase_order_created,
    on_purchase_order_refused,
    on_remittance_nf_matched,
    on_shipment_delivered,
    on_shipment_dispatched,
    on_supplier_nf_matched,
)
from services.billing.decide.invoices import on_dispatch_marked, on_invoice_answered
from services.billing.decide.payments import on_payment_received
from services.billing.decide.refunds import on_refund_reported, on_refund_requested, on_refund_taken
from services.billing.decide.settling import on_cancellation_decided
from services.billing.decide.stopping import on_cancellation_started, on_fulfilment_stopped
from services.billing.decide.supplier_payments import on_supplier_payment_reported, on_supplier_payment_taken

__all__ = [
    "on_cancellation_answered",
    "on_cancellation_decided",
    "on_cancellation_exhausted",
    "on_cancellation_refused",
    "on_cancellation_started",
    "on_dispatch_marked",
    "on_fulfilment_stopped",
    "on_given_up",
    "on_invoice_answered",
    "on_order_ready",
    "on_payment_received",
    "on_purchase_order_cancelled",
    "on_purchase_order_created",
    "on_purchase_order_refused",
    "on_refund_reported",
    "on_refund_requested",
    "on_refund_taken",
    "on_remittance_nf_matched",
    "on_shipment_delivered",
    "on_shipment_dispatched",
    "on_supplier_nf_matched",
    "on_supplier_payment_reported",
    "on_supplier_payment_taken",
]
