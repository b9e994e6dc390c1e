"""Which status may follow which, as data, and the way from one to another.

`TABLE` is the canonical table. `BY_RULE` is what the rule under it adds: only re-routing, cancelling an NF and
cancelling may move a status back. Goods that are routed again while others of the order are further, or have left, can
take it back from there; an R that is cancelled although its S1 exists takes it back too; and an order can be cancelled
from wherever a supplier still agreed to it, also where a parcel crossed that (the supplier takes it back).
"""

from collections.abc import Iterator, Mapping

from schemas.order import Status

LINE: tuple[Status, ...] = (
    "payment_pending",
    "payment_slip_expired",
    "payment_confirmed",
    "quote_pending",
    "out_of_stock",
    "ready_to_order",
    "supplier_payment_pending",
    "po_dispatched",
    "po_acknowledged",
    "supplier_invoice_received",
    "invoice_divergent",
    "awaiting_invoice",
    "invoiced",
    "awaiting_shipment",
    "shipped",
    "delivery_problem",
    "delivered",
    "completed",
)
"""From the least to the most advanced. `cancelled` is not on it: it is an end beside."""

RANK: dict[Status, int] = {status: rank for rank, status in enumerate((*LINE, "cancelled"))}

MAIN: frozenset[Status] = frozenset(
    {
        "payment_confirmed",
        "ready_to_order",
        "po_dispatched",
        "supplier_invoice_received",
        "awaiting_invoice",
        "invoiced",
        "awaiting_shipment",
        "shipped",
        "delivered",
        "completed",
    }
)
"""What every order that completes goes through: published even when a later fact was heard of first.

Not among them: `po_acknowledged` (a supplier may answer a PO with its invoice; it is published where all POs were
confirmed), and all that go wrong or wait. Goods that left too early pass through `awaiting_shipment` too: here lateness
of a message looks the same, `shipment.irregular` tells.
"""

REROUTED: tuple[Status, ...] = ("quote_pending", "out_of_stock", "supplier_payment_pending")
"""Where re-routing takes an order back to."""

TABLE: Mapping[Status, tuple[Status, ...]] = {
    "payment_pending": ("payment_confirmed", "payment_slip_expired", "cancelled"),
    "payment_slip_expired": ("payment_confirmed", "cancelled"),
    "payment_confirmed": ("quote_pending", "out_of_stock", "ready_to_order", "cancelled"),
    "quote_pending": ("ready_to_order", "out_of_stock", "cancelled"),
    "out_of_stock": ("ready_to_order", "quote_pending", "cancelled"),
    "ready_to_order": ("supplier_payment_pending", "po_dispatched", "cancelled"),
    "supplier_payment_pending": ("po_dispatched", "out_of_stock", "cancelled"),
    "po_dispatched": ("po_acknowledged", "supplier_invoice_received", *REROUTED),
    "po_acknowledged": ("supplier_invoice_received", *REROUTED, "cancelled"),
    "supplier_invoice_received": ("awaiting_invoice", "invoice_divergent"),
    "invoice_divergent": ("supplier_invoice_received", "awaiting_invoice", *REROUTED, "cancelled"),
    "awaiting_invoice": ("invoiced", "invoice_divergent", "cancelled"),
    "invoiced": ("awaiting_shipment", "awaiting_invoice", "cancelled"),
    "awaiting_shipment": ("shipped", "cancelled"),
    "shipped": ("delivered", "delivery_problem"),
    "delivery_problem": ("shipped", "delivered", "cancelled"),
    "delivered": ("completed",),
    "cancelled": (),
    "completed": (),
}

BY_RULE: Mapping[Status, tuple[Status, ...]] = {
    "ready_to_order": ("quote_pending", "out_of_stock"),
    "supplier_payment_pending": ("quote_pending",),
    "po_dispatched": ("cancelled",),
    "supplier_invoice_received": (*REROUTED, "cancelled"),
    "awaiting_invoice": REROUTED,
    "invoiced": REROUTED,
    "awaiting_shipment": ("awaiting_invoice", *REROUTED),
    "shipped": (*REROUTED, "cancelled"),
    "delivery_problem": REROUTED,
}

MOVES: Mapping[Status, frozenset[Status]] = {
    status: frozenset({*following, *BY_RULE.get(status, ())}) for status, following in TABLE.items()
}


def way(old: Status | None, new: Status, *, acknowledged: bool) -> tuple[Status, ...]:
    """The statuses to publish on the way, in order, the new one last; empty where the order stays where it is.

    `acknowledged`: whether all POs were confirmed.
    """
    if old is None:
        return _way_in(new, acknowledged)
    if RANK[new] > RANK[old] and new != "cancelled" and MOVES[old]:
        return (*_passed(RANK[old], new, acknowledged), new)
    return (new,) if new in MOVES[old] else ()


def _way_in(new: Status, acknowledged: bool) -> tuple[Status, ...]:
    """A new order is either paid or not; one that ends at once was never confirmed, paid or not."""
    if new in ("payment_slip_expired", "cancelled"):
        return ("payment_pending", new)
    return (*_passed(-1, new, acknowledged), new)


def _passed(rank: int, new: Status, acknowledged: bool) -> Iterator[Status]:
    for status in LINE[rank + 1 : RANK[new]]:
        if status in MAIN or (acknowledged and status == "po_acknowledged"):
            yield status
