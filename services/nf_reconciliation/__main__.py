"""The composition root of nf_reconciliation: `python -m services.nf_reconciliation`."""

from schemas import billing, nota_fiscal, purchase_order, store, supplier
from schemas.timeline import Timeline, keep
from services.nf_reconciliation import decide
from services.nf_reconciliation.partners import operations
from services.nf_reconciliation.reading import key_of, load_invoices
from services.nf_reconciliation.settings import Settings
from services.nf_reconciliation.state import BookSupplierNf, NotaFiscal, OrderPos, PurchaseOrder, SupplierNfBooked
from services.nf_reconciliation.store import load_received, load_stores
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Answer, Service, Subscription, Subscriptions

NF = Aggregate("nota_fiscal", NotaFiscal, named="access_key")
PO = Aggregate("purchase_order", PurchaseOrder, named="po_number")
ORDER = Aggregate("order_pos", OrderPos, named="order_id")
SUPPLIER = Aggregate("supplier", Timeline[supplier.SupplierChanged])
STORE = Aggregate("store", Timeline[store.StoreChanged])


def po_number(
    event: purchase_order.PurchaseOrderCreated
    | purchase_order.PurchaseOrderRefused
    | purchase_order.PurchaseOrderCancelled,
) -> str:
    return event.po_number


SUBSCRIPTIONS: Subscriptions = (
    Subscription(store.StoreChanged, STORE, keep),
    Subscription(supplier.SupplierChanged, SUPPLIER, keep),
    Subscription(supplier.SupplierNfIssued, NF, decide.on_nf_issued, key=key_of, load=load_received),
    Subscription(nota_fiscal.NfMatchRequested, PO, decide.on_match_requested),
    Subscription(nota_fiscal.NfMatchAnswered, NF, decide.on_match_answered),
    Subscription(nota_fiscal.NfMatchSettled, PO, decide.on_match_settled),
    Answer(BookSupplierNf, SupplierNfBooked, NF, decide.on_supplier_nf_booked),
    Subscription(
        purchase_order.PurchaseOrderCreated, PO, decide.on_purchase_order_created, key=po_number, load=load_stores
    ),
    Subscription(purchase_order.PurchaseOrderRefused, PO, decide.on_purchase_order_refused, key=po_number),
    Subscription(purchase_order.PurchaseOrderCancelled, PO, decide.on_purchase_order_cancelled, key=po_number),
    Subscription(nota_fiscal.NfPoNoted, ORDER, decide.on_po_noted),
    Subscription(billing.InvoiceIssued, ORDER, decide.on_invoice_issued, load=load_invoices),
    Subscription(billing.InvoiceCancelled, ORDER, decide.on_invoice_cancelled),
    Subscription(nota_fiscal.NfInvoiceNoted, PO, decide.on_invoice_noted),
)


def service(settings: Settings) -> Service:
    return Service("nf_reconciliation", SUBSCRIPTIONS, operations(settings))


def main() -> None:
    run(service(read(Settings)), read(Runtime))


if __name__ == "__main__":
    main()
