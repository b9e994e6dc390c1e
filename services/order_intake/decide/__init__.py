"""The decisions of order_intake: on the order and its money, on milestones of its POs, and on its end."""

from services.order_intake.decide.completion import on_completed_in_erp, on_return_window_over
from services.order_intake.decide.milestone import (
    on_invoice_handed_over,
    on_invoice_issued,
    on_out_of_stock,
    on_purchase_order_confirmed,
    on_purchase_order_created,
    on_purchase_order_sent,
    on_quote_needed,
    on_remittance_nf_matched,
    on_shipment_delivered,
    on_shipment_dispatched,
    on_shipment_problem_reported,
    on_supplier_nf_diverged,
    on_supplier_nf_matched,
)
from services.order_intake.decide.placement import (
    on_noted,
    on_order_placed,
    on_payment_approved,
    on_sales_order_registered,
)

__all__ = [
    "on_completed_in_erp",
    "on_invoice_handed_over",
    "on_invoice_issued",
    "on_noted",
    "on_order_placed",
    "on_out_of_stock",
    "on_payment_approved",
    "on_purchase_order_confirmed",
    "on_purchase_order_created",
    "on_purchase_order_sent",
    "on_quote_needed",
    "on_remittance_nf_matched",
    "on_return_window_over",
    "on_sales_order_registered",
    "on_shipment_delivered",
    "on_shipment_dispatched",
    "on_shipment_problem_reported",
    "on_supplier_nf_diverged",
    "on_supplier_nf_matched",
]
