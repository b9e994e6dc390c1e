"""Composition root: `python -m services.po_dispatch`."""

from schemas.billing import InvoiceIssued, SupplierPaymentRefused, SupplierPaymentSettled
from schemas.channel import DeliveryReported, LabelAvailable
from schemas.nota_fiscal import RemittanceNfDiverged, RemittanceNfMatched, SupplierNfMatched, SupplierNfRefused
from schemas.order import OrderReady
from schemas.store import StoreChanged
from schemas.supplier import CarrierReported, OfferChanged, SupplierChanged, SupplierPoConfirmed, SupplierShipped
from schemas.timeline import Timeline, keep
from services.po_dispatch import store
from services.po_dispatch.decide import hand_over, not_needed, ordering, shipping
from services.po_dispatch.partners import operations
from services.po_dispatch.settings import Settings
from services.po_dispatch.state import (
    Fulfilment,
    HandOverInvoice,
    InvoiceReceived,
    PurchaseOrderReceived,
    PurchaseOrderRegistered,
    RegisterPurchaseOrder,
    SendPurchaseOrder,
    Sourcing,
)
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Answer, Service, Subscription, Subscriptions, Timer

FULFILMENT = Aggregate("fulfilment", Fulfilment)
STORE = Aggregate("store", Timeline[StoreChanged])
SUPPLIER = Aggregate("supplier", Timeline[SupplierChanged])
OFFER = Aggregate("offer", Timeline[OfferChanged])


def _own_numbers(reference: Sourcing) -> tuple[str, ...]:
    """Only stores without an ERP take PO numbers from our series."""
    stores = reference.store.versions if reference.store else ()
    return () if all(version.has_erp for version in stores) else (ordering.PO_SERIES,)


SUBSCRIPTIONS: Subscriptions = (
    Subscription(StoreChanged, STORE, keep),
    Subscription(SupplierChanged, SUPPLIER, keep),
    Subscription(OfferChanged, OFFER, keep),
    Subscription(OrderReady, FULFILMENT, ordering.on_order_ready, load=store.load_sourcing, series=_own_numbers),
    Answer(RegisterPurchaseOrder, PurchaseOrderRegistered, FULFILMENT, ordering.on_registered),
    Answer(SendPurchaseOrder, PurchaseOrderReceived, FULFILMENT, ordering.on_sent),
    Subscription(SupplierPoConfirmed, FULFILMENT, ordering.on_confirmed, find=store.find_by_po_number),
    Subscription(SupplierPaymentSettled, FULFILMENT, ordering.on_payment_settled),
    Subscription(SupplierPaymentRefused, FULFILMENT, not_needed),
    Subscription(SupplierNfMatched, FULFILMENT, hand_over.on_supplier_nf_matched),
    Subscription(SupplierNfRefused, FULFILMENT, not_needed),
    Subscription(InvoiceIssued, FULFILMENT, hand_over.on_invoice_issued),
    Subscription(LabelAvailable, FULFILMENT, hand_over.on_label_available),
    Answer(HandOverInvoice, InvoiceReceived, FULFILMENT, hand_over.on_handed_over),
    Subscription(RemittanceNfMatched, FULFILMENT, hand_over.on_remittance_nf_matched),
    Subscription(RemittanceNfDiverged, FULFILMENT, not_needed),
    Subscription(SupplierShipped, FULFILMENT, shipping.on_shipped, find=store.find_by_po_number),
    Timer(shipping.GATE, FULFILMENT, shipping.on_gate_due),
    Subscription(CarrierReported, FULFILMENT, shipping.on_carrier_reported, find=store.find_by_tracking_code),
    Subscription(DeliveryReported, FULFILMENT, shipping.on_delivery_reported),
)


def service(settings: Settings) -> Service:
    return Service("po_dispatch", SUBSCRIPTIONS, operations(settings))


def main() -> None:
    run(service(read(Settings)), read(Runtime))


if __name__ == "__main__":
    main()
