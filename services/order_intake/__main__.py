"""The composition root of order_intake: `python -m services.order_intake`."""

from schemas import billing, channel, nota_fiscal, order, payment, purchase_order, refund, shipment, sourcing, store
from schemas.timeline import Timeline, keep
from services.order_intake import decide
from services.order_intake.partners import operations
from services.order_intake.requests import (
    CancelledMarked,
    CompletedMarked,
    MarkCancelled,
    MarkCompleted,
    RegisterSalesOrder,
    SalesOrderRegistered,
    SalesOrderUpdated,
    UpdateSalesOrder,
)
from services.order_intake.settings import Settings
from services.order_intake.state import Order
from services.order_intake.store import load_stores
from shared.service import run
from shared.settings import Runtime, read
from shared.worker.subscription import Aggregate, Answer, Service, Subscription, Subscriptions, Timer

ORDER = Aggregate("sales_order", Order, named="order_id")
STORE = Aggregate("store", Timeline[store.StoreChanged])


def order_of_divergence(event: nota_fiscal.SupplierNfDiverged) -> str:
    """Its order; its own key where it could not be attributed to one (then nothing is kept of it)."""
    return event.order_id or event.access_key


SUBSCRIPTIONS: Subscriptions = (
    Subscription(store.StoreChanged, STORE, keep),
    Subscription(order.OrderPlaced, ORDER, decide.on_order_placed, load=load_stores),
    Subscription(payment.PaymentApproved, ORDER, decide.on_payment_approved),
    Subscription(payment.PaymentExpired, ORDER, decide.on_payment_expired),
    Subscription(order.OrderChangeRequested, ORDER, decide.on_change_requested),
    Answer(RegisterSalesOrder, SalesOrderRegistered, ORDER, decide.on_sales_order_registered),
    Answer(UpdateSalesOrder, SalesOrderUpdated, ORDER, decide.on_sales_order_updated),
    Subscription(sourcing.QuoteNeeded, ORDER, decide.on_quote_needed),
    Subscription(sourcing.OutOfStock, ORDER, decide.on_out_of_stock),
    Subscription(sourcing.SourcingGivenUp, ORDER, decide.on_given_up),
    Timer("give_up", ORDER, decide.on_waited_enough),
    Timer("difference", ORDER, decide.on_difference_due),
    Subscription(purchase_order.PurchaseOrderCreated, ORDER, decide.on_purchase_order_created),
    Subscription(purchase_order.PurchaseOrderSent, ORDER, decide.on_purchase_order_sent),
    Subscription(purchase_order.PurchaseOrderConfirmed, ORDER, decide.on_purchase_order_confirmed),
    Subscription(purchase_order.PurchaseOrderRefused, ORDER, decide.on_purchase_order_refused),
    Subscription(purchase_order.PurchaseOrderCancelled, ORDER, decide.on_purchase_order_cancelled),
    Subscription(nota_fiscal.SupplierNfMatched, ORDER, decide.on_supplier_nf_matched),
    Subscription(nota_fiscal.SupplierNfDiverged, ORDER, decide.on_supplier_nf_diverged, key=order_of_divergence),
    Subscription(billing.InvoiceIssued, ORDER, decide.on_invoice_issued),
    Subscription(billing.InvoiceCancelled, ORDER, decide.on_invoice_cancelled),
    Subscription(billing.InvoiceReduced, ORDER, decide.on_invoice_reduced),
    Subscription(purchase_order.InvoiceHandedOver, ORDER, decide.on_invoice_handed_over),
    Subscription(nota_fiscal.RemittanceNfMatched, ORDER, decide.on_remittance_nf_matched),
    Subscription(shipment.ShipmentDispatched, ORDER, decide.on_shipment_dispatched),
    Subscription(shipment.ShipmentProblemReported, ORDER, decide.on_shipment_problem_reported),
    Subscription(shipment.ShipmentResumed, ORDER, decide.on_shipment_resumed),
    Subscription(shipment.ShipmentDelivered, ORDER, decide.on_shipment_delivered),
    Timer("complete", ORDER, decide.on_return_window_over),
    Answer(MarkCompleted, CompletedMarked, ORDER, decide.on_completed_in_erp),
    Subscription(order.OrderCancellationRequested, ORDER, decide.on_cancellation_requested),
    Subscription(purchase_order.PurchaseOrderCancelRefused, ORDER, decide.on_cancel_refused),
    Subscription(purchase_order.FulfilmentStopped, ORDER, decide.on_fulfilment_stopped),
    Subscription(billing.BillingStopped, ORDER, decide.on_billing_stopped),
    Answer(MarkCancelled, CancelledMarked, ORDER, decide.on_cancelled_in_erp),
    Subscription(refund.RefundOrdered, ORDER, decide.on_refund_ordered),
    Subscription(refund.RefundSettled, ORDER, decide.on_refund_settled),
    Subscription(refund.RefundFailed, ORDER, decide.on_refund_failed),
    Subscription(purchase_order.PurchaseOrderRerouted, ORDER, decide.on_noted),
    Subscription(purchase_order.PurchaseOrderLate, ORDER, decide.on_noted),
    Subscription(shipment.ShipmentDelayed, ORDER, decide.on_noted),
    Subscription(shipment.ShipmentFound, ORDER, decide.on_noted),
    Subscription(billing.InvoiceRefused, ORDER, decide.on_noted),
    Subscription(billing.PayableOpened, ORDER, decide.on_noted),
    Subscription(billing.PayableWithheld, ORDER, decide.on_noted),
    Subscription(billing.SupplierPaymentOrdered, ORDER, decide.on_noted),
    Subscription(billing.SupplierPaymentSettled, ORDER, decide.on_noted),
    Subscription(billing.SupplierPaymentRefused, ORDER, decide.on_noted),
    Subscription(channel.ChannelUpdated, ORDER, decide.on_noted),
    Subscription(channel.ChannelUpdateRefused, ORDER, decide.on_noted),
    Subscription(channel.CustomerNotified, ORDER, decide.on_noted),
)


def service(settings: Settings) -> Service:
    return Service("order_intake", SUBSCRIPTIONS, operations(settings))


def main() -> None:
    run(service(read(Settings)), read(Runtime))


if __name__ == "__main__":
    main()
