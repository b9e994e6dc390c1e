"""PURE. The decisions of nf_reconciliation, by state: an NF, a PO, an order's POs."""

from services.nf_reconciliation.decide.nota_fiscal import on_nf_issued
from services.nf_reconciliation.decide.order_pos import on_invoice_cancelled, on_invoice_issued, on_po_noted
from services.nf_reconciliation.decide.purchase_order import (
    on_invoice_noted,
    on_match_requested,
    on_match_settled,
    on_purchase_order_cancelled,
    on_purchase_order_created,
    on_purchase_order_refused,
)
from services.nf_reconciliation.decide.verdict import on_match_answered, on_supplier_nf_booked

__all__ = [
    "on_invoice_cancelled",
    "on_invoice_issued",
    "on_invoice_noted",
    "on_match_answered",
    "on_match_requested",
    "on_match_settled",
    "on_nf_issued",
    "on_po_noted",
    "on_purchase_order_cancelled",
    "on_purchase_order_created",
    "on_purchase_order_refused",
    "on_supplier_nf_booked",
]
