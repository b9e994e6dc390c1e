"""The decisions of order_intake, by what they are about; `follow` is what they lead to."""

from services.order_intake.decide.cancellation import (
    on_billing_stopped,
    on_cancel_refused,
    on_cancellation_requested,
    on_fulfilment_stopped,
)
from services.order_intake.decide.change import on_change_requested
from services.order_intake.decide.completion import on_difference_due, on_return_window_over, on_waited_enough
from services.order_intake.decide.erp import (
    on_cancelled_in_erp,
    on_completed_in_erp,
    on_sales_order_registered,
    on_sales_order_updated,
)
from services.order_intake.decide.nota_fiscal import (
    on_invoice_cancelled,
    on_invoice_handed_over,
    on_invoice_issued,
    on_invoice_reduced,
    on_remittance_nf_matched,
    on_supplier_nf_diverged,
    on_supplier_nf_matched,
)
from services.order_intake.decide.payment import on_payment_approved, on_payment_expired
from services.order_intake.decide.placement import on_noted, on_order_placed
from services.order_intake.decide.purchase import (
    on_given_up,
    on_out_of_stock,
    on_purchase_order_cancelled,
    on_purchase_order_confirmed,
    on_purchase_order_created,
    on_purchase_order_refused,
    on_purchase_order_sent,
    on_quote_needed,
)
from services.order_intake.decide.refund import on_refund_failed, on_refund_ordered, on_refund_settled
from services.order_intake.decide.shipment import (
    on_shipment_delivered,
    on_shipment_dispatched,
    on_shipment_problem_reported,
    on_shipment_resumed,
)

__all__ = [
    "on_billing_stopped",
    "on_cancel_refused",
    "on_cancellation_requested",
    "on_cancelled_in_erp",
    "on_change_requested",
    "on_completed_in_erp",
    "on_difference_due",
    "on_fulfilment_stopped",
    "on_given_up",
    "on_invoice_cancelled",
    "on_invoice_handed_over",
    "on_invoice_issued",
    "on_invoice_reduced",
    "on_noted",
    "on_order_placed",
    "on_out_of_stock",
    "on_payment_approved",
    "on_payment_expired",
    "on_purchase_order_cancelled",
    "on_purchase_order_confirmed",
    "on_purchase_order_created",
    "on_purchase_order_refused",
    "on_purchase_order_sent",
    "on_quote_needed",
    "on_refund_failed",
    "on_refund_ordered",
    "on_refund_settled",
    "on_remittance_nf_matched",
    "on_return_window_over",
    "on_sales_order_registered",
    "on_sales_order_updated",
    "on_shipment_delivered",
    "on_shipment_dispatched",
    "on_shipment_problem_reported",
    "on_shipment_resumed",
    "on_supplier_nf_diverged",
    "on_supplier_nf_matched",
    "on_waited_enough",
]
