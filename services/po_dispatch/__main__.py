"""Composition root: `python -m services.po_dispatch`."""

from schemas.billing import InvoiceCancelled, InvoiceIssued, SupplierPaymentRefused, SupplierPaymentSettled
from schemas.channel import DeliveryReported, LabelAvailable
from schemas.nota_fiscal import RemittanceNfDiverged, RemittanceNfMatched, SupplierNfMatched, SupplierNfRefused
from schemas.order import OrderCancellationRefused, OrderCancellationStarted, OrderLinesGivenUp, OrderReady
from schemas.sourcing import OfferWakingDue, SourcingRetryDue, SupplierWakingDue
from schemas.store import StoreChanged
from schemas.supplier import (
    CarrierReported,
    OfferChanged,
    PackagingChanged,
    ShippingRuleChanged,
    SupplierCancellationAnswered,
    SupplierChanged,
    SupplierDelayReported,
    SupplierPoConfirmed,
    SupplierPoRefused,
    SupplierShipped,
)
from schemas.timeline import Timeline, keep
from services.po_dispatch import store
from services.po_dispatch.decide import (
    books,
    cancelling,
    deadlines,
    delaying,
    gate,
    giving_up,
    hand_over,
    making,
    not_needed,
    ordering,
    payment,
    refusing,
    reminders,
    shipping,
    sourcing,
    waking,
)
from services.po_dispatch.partners import operations
from services.po_dispatch.settings import Settings
from services.po_dispatch.state import (
    CancellationReceived,
    CancelPurchaseOrder,
    Fulfilment,
    HandOverInvoice,
    InvoiceReceived,
    PurchaseOrderReceived,
    PurchaseOrderRegistered,
    PurchaseOrderRevised,
    PurchaseOrderVoided,
    RegisterPurchaseOrder,
    ReminderReceived,
    RemindSupplier,
    RevisePurchaseOrder,
    SendPurchaseOrder,
    Sourcing,
    VoidPurchaseOrder,
)
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Answer, Service, Subscription, Subscriptions, Timer

FULFILMENT = Aggregate("fulfilment", Fulfilment, named="order_id")
STORE = Aggregate("store", Timeline[StoreChanged])
SUPPLIER = Aggregate("supplier", Timeline[SupplierChanged])
OFFER = Aggregate("offer", Timeline[OfferChanged])
SHIPPING_RULE = Aggregate("shipping_rule", Timeline[ShippingRuleChanged])
PACKAGING = Aggregate("packaging", Timeline[PackagingChanged])


def _own_numbers(reference: Sourcing) -> tuple[str, ...]:
    """Only stores without an ERP take PO numbers from our series."""
    stores = reference.store.versions if reference.store else ()
    return () if all(version.has_erp for version in stores) else (making.PO_SERIES,)


def _r(decide: reminders.Decide) -> reminders.Decide:
    return reminders.reminding(books.keeping_books(decide))


_by_number, _again, _numbers = store.find_by_po_number, store.load_resourcing, _own_numbers

SUBSCRIPTIONS: Subscriptions = (
    Subscription(StoreChanged, STORE, keep),
    Subscription(ShippingRuleChanged, SHIPPING_RULE, keep),
    Subscription(PackagingChanged, PACKAGING, keep),
    Subscription(SupplierChanged, SUPPLIER, waking.on_supplier_changed, load=store.load_waiting_longest),
    Subscription(SupplierWakingDue, SUPPLIER, waking.on_supplier_waking_due, load=store.load_waiting_longest),
    Subscription(OfferChanged, OFFER, waking.on_offer_changed, load=store.load_waiting),
    Subscription(OfferWakingDue, OFFER, waking.on_offer_waking_due, load=store.load_waiting),
    Subscription(OrderReady, FULFILMENT, _r(sourcing.on_order_ready), load=store.load_sourcing, series=_numbers),
    Subscription(SourcingRetryDue, FULFILMENT, _r(sourcing.on_retry_due), load=_again, series=_numbers),
    Timer(reminders.RETRY, FULFILMENT, _r(sourcing.on_retry_due), load=_again, series=_numbers),
    Timer(reminders.DEADLINE, FULFILMENT, _r(deadlines.on_deadline_due)),
    Answer(RegisterPurchaseOrder, PurchaseOrderRegistered, FULFILMENT, _r(ordering.on_registered)),
    Answer(RevisePurchaseOrder, PurchaseOrderRevised, FULFILMENT, _r(ordering.on_revised_in_erp)),
    Answer(VoidPurchaseOrder, PurchaseOrderVoided, FULFILMENT, _r(ordering.on_voided_in_erp)),
    Answer(SendPurchaseOrder, PurchaseOrderReceived, FULFILMENT, _r(ordering.on_sent)),
    Answer(RemindSupplier, ReminderReceived, FULFILMENT, _r(ordering.on_reminded)),
    Subscription(SupplierPoConfirmed, FULFILMENT, _r(ordering.on_confirmed), find=_by_number),
    Subscription(SupplierPoRefused, FULFILMENT, _r(refusing.on_refused), find=_by_number),
    Subscription(SupplierDelayReported, FULFILMENT, _r(delaying.on_delay_reported), find=_by_number),
    Subscription(SupplierPaymentSettled, FULFILMENT, _r(payment.on_payment_settled)),
    Subscription(SupplierPaymentRefused, FULFILMENT, _r(payment.on_payment_refused)),
    Subscription(OrderLinesGivenUp, FULFILMENT, _r(giving_up.on_lines_given_up)),
    Subscription(OrderCancellationStarted, FULFILMENT, _r(cancelling.on_cancellation_started)),
    Answer(CancelPurchaseOrder, CancellationReceived, FULFILMENT, _r(cancelling.on_cancellation_asked)),
    Subscription(SupplierCancellationAnswered, FULFILMENT, _r(cancelling.on_cancellation_answered), find=_by_number),
    Subscription(OrderCancellationRefused, FULFILMENT, _r(cancelling.on_cancellation_refused)),
    Subscription(SupplierNfMatched, FULFILMENT, _r(hand_over.on_supplier_nf_matched)),
    Subscription(SupplierNfRefused, FULFILMENT, not_needed),
    Subscription(InvoiceIssued, FULFILMENT, _r(hand_over.on_invoice_issued)),
    Subscription(InvoiceCancelled, FULFILMENT, _r(hand_over.on_invoice_cancelled)),
    Subscription(LabelAvailable, FULFILMENT, _r(hand_over.on_label_available)),
    Answer(HandOverInvoice, InvoiceReceived, FULFILMENT, _r(hand_over.on_handed_over)),
    Subscription(RemittanceNfMatched, FULFILMENT, _r(hand_over.on_remittance_nf_matched)),
    Subscription(RemittanceNfDiverged, FULFILMENT, not_needed),
    Subscription(SupplierShipped, FULFILMENT, _r(shipping.on_shipped), find=_by_number),
    Timer(gate.GATE, FULFILMENT, _r(gate.on_gate_due)),
    Subscription(CarrierReported, FULFILMENT, _r(shipping.on_carrier_reported), find=store.find_by_tracking_code),
    Subscription(DeliveryReported, FULFILMENT, _r(shipping.on_delivery_reported)),
)
"""`_r`: with the reminders of the fulfilment (see `decide.reminders`), and the ERP's books (`decide.books`)."""


def service(settings: Settings) -> Service:
    return Service("po_dispatch", SUBSCRIPTIONS, operations(settings))


def main() -> None:
    run(service(read(Settings)), read(Runtime))


if __name__ == "__main__":
    main()
