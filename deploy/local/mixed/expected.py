"""How an order of the mixed scenario must end: its last status, statuses on the way, and how often each fact exists."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

FACTS: Mapping[str, str] = {
    "order.accepted.v1": "accepted",
    "order.refused.v1": "refused",
    "order.changed.v1": "changed",
    "order.change_refused.v1": "change refused",
    "order.ready.v1": "ready",
    "order.cancellation_started.v1": "cancellation started",
    "order.cancellation_refused.v1": "cancellation refused",
    "order.lines_given_up.v1": "lines given up",
    "order.cancelled.v1": "cancelled",
    "order.completed.v1": "completed",
    "sourcing.quote_needed.v1": "quote needed",
    "sourcing.out_of_stock.v1": "out of stock",
    "purchase_order.created.v1": "PO",
    "purchase_order.sent.v1": "PO sent",
    "purchase_order.confirmed.v1": "PO confirmed",
    "purchase_order.refused.v1": "PO refused",
    "purchase_order.rerouted.v1": "PO rerouted",
    "purchase_order.cancelled.v1": "PO cancelled",
    "purchase_order.cancel_refused.v1": "PO too late to cancel",
    "purchase_order.late.v1": "PO late",
    "fulfilment.stopped.v1": "fulfilment stopped",
    "billing.stopped.v1": "billing stopped",
    "supplier_nf.matched.v1": "S2",
    "supplier_nf.diverged.v1": "S2 diverged",
    "supplier_nf.refused.v1": "NF refused",
    "invoice.issued.v1": "R",
    "invoice.refused.v1": "R refused",
    "invoice.cancelled.v1": "R cancelled",
    "invoice.reduced.v1": "R reduced",
    "invoice.handed_over.v1": "R handed over",
    "remittance_nf.matched.v1": "S1",
    "remittance_nf.diverged.v1": "S1 diverged",
    "shipment.dispatched.v1": "parcel",
    "shipment.delivered.v1": "parcel delivered",
    "shipment.delayed.v1": "delay",
    "shipment.irregular.v1": "irregular",
    "shipment.problem_reported.v1": "delivery problem",
    "shipment.resumed.v1": "problem over",
    "supplier_payment.settled.v1": "supplier paid",
    "supplier_payment.refused.v1": "payment refused",
    "refund.requested.v1": "refund requested",
    "refund.ordered.v1": "refund ordered",
    "refund.settled.v1": "refund",
    "refund.failed.v1": "refund failed",
    "channel.update_refused.v1": "channel refused",
}
"""Every fact that is counted, by its type, and how the table calls it. What is not expected must not be. That a PO was
sent is counted of those that are not void, and that R was handed over of those that were not refused: a refusal may
overtake our call's answer."""

End = Literal["completed", "cancelled", "payment_slip_expired", "refused", "dead letter", "either"]
"""`either`: completed or cancelled, as the race went; each must then be whole."""


NOTHING_MORE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Expected:
    end: End
    counts: Mapping[str, int] = field(default_factory=dict)
    """By the names of `FACTS`; `mail <fact>` for mails; `<partner's operation>` for what was asked of suppliers;
    `channel refunded` for what a channel was told to pay back."""
    through: tuple[str, ...] = ()
    """Statuses that the order must have had, in this order."""
    refunded: Decimal | None = None
    """What the customer got back, BRL; None: that is not looked at here."""

    @property
    def ends(self) -> tuple[str, ...]:
        """The ends that are right."""
        return ("completed", "cancelled") if self.end == "either" else (self.end,)


def completed(
    pos: int = 1,
    more: Mapping[str, int] = NOTHING_MORE,
    *,
    through: tuple[str, ...] = (),
    refunded: Decimal | None = None,
) -> Expected:
    """All goes well with so many POs, but for what `more` says."""
    counts = dict.fromkeys(("accepted", "ready", "completed", "mail confirmed", "mail delivered", "concluido"), 1)
    once_a_po = ("PO", "PO sent", "PO confirmed", "S2", "R", "R handed over", "S1", "parcel", "parcel delivered")
    counts |= dict.fromkeys((*once_a_po, "supplier paid", "mail invoiced", "mail shipped"), pos)
    return Expected("completed", _with(counts, more), through or ("payment_confirmed", "delivered"), refunded)


def cancelled(
    more: Mapping[str, int] = NOTHING_MORE, *, through: tuple[str, ...] = (), ready: bool = True, refunds: int = 1
) -> Expected:
    """Cancelled and refunded. `ready`: after its fulfilment had begun."""
    counts = dict.fromkeys(("accepted", "cancellation started", "cancelled", "mail cancelled", "cancelado"), 1)
    counts |= dict.fromkeys(("fulfilment stopped", "billing stopped"), 1)
    if ready:
        counts |= dict.fromkeys(("ready", "mail confirmed"), 1)
    counts |= dict.fromkeys(("refund requested", "refund ordered", "refund", "mail refunded"), refunds)
    return Expected("cancelled", _with(counts, more), through)


def _with(counts: dict[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in (counts | {**more}).items() if count}
