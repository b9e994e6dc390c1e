"""PURE: what a message says, in a few words for a timeline. Lenient: the journal also keeps what does not fit."""

from collections.abc import Callable, Mapping
from typing import Any

Data = Mapping[str, Any]


def in_words(type: str | None, data: Any) -> str:
    """A few words; empty where there is nothing to add to the type. No personal data."""
    if type is None or not isinstance(data, Mapping):
        return "unreadable"
    say = _SAY.get(type.rpartition(".v")[0], _names)
    return " ".join(part for part in say(data).split(" ") if part)


def _of(data: Data, *names: str) -> str:
    return " ".join(str(data[name]) for name in names if data.get(name) not in (None, "", [], {}))


def _count(data: Data, name: str, noun: str) -> str:
    found = data.get(name)
    return f"{len(found)} {noun}{'' if len(found) == 1 else 's'}" if isinstance(found, list) else ""


def _problems(data: Data) -> str:
    found: list[Any] = next((data[n] for n in ("problems", "reasons") if isinstance(data.get(n), list)), [])
    return "; ".join(
        " ".join(filter(None, (str(p.get("code", "")), str(p.get("where", ""))))) for p in found if isinstance(p, dict)
    )


def _status(data: Data) -> str:
    previous = data.get("previous")
    return f"{previous} → {data.get('status', '?')}" if previous else str(data.get("status", "?"))


def _lost(data: Data) -> str:
    parcels = data.get("lost_parcels") or []
    return "".join(f", lost by {_of(parcel, 'carrier', 'tracking_code')}" for parcel in parcels)


def _po(*names: str) -> Callable[[Data], str]:
    return lambda data: _of(data, "po_number", *names)


def _names(data: Data) -> str:
    """For a message without words of its own: what it is about."""
    return _of(data, "po_number", "tracking_code", "access_key", "code", "detail")


_SAY: Mapping[str, Callable[[Data], str]] = {
    "order.placed": lambda d: f"{_of(d, 'channel_order_code')} {_count(d, 'items', 'item')} {_of(d, 'total')}",
    "order.accepted": lambda d: f"{_count(d, 'items', 'item')} {_of(d, 'total')}",
    "order.refused": _problems,
    "order.ready": lambda d: f"{_of(d, 'erp_order_number')} {_count(d, 'items', 'item')} {_of(d, 'total')}",
    "order.payment_received": lambda d: _of(d, "payment_id", "amount"),
    "order.status_changed": _status,
    "order.changed": lambda d: f"{_of(d, 'change_id')} {_count(d, 'items', 'item')} {_of(d, 'total')}",
    "order.change_refused": lambda d: f"{_of(d, 'change_id')} {_problems(d)}",
    "order.cancellation_requested": lambda d: _of(d, "requested_by", "reason"),
    "order.cancellation_decided": lambda d: _of(d, "decision", "decided_by", "reason"),
    "order.cancellation_started": lambda d: _of(d, "cause", "reason"),
    "order.cancellation_refused": _problems,
    "order.cancelled": lambda d: _of(d, "cause", "reason"),
    "payment.approved": lambda d: _of(d, "payment_id", "amount"),
    "sourcing.quote_needed": lambda d: _count(d, "order_lines", "line"),
    "sourcing.out_of_stock": lambda d: _count(d, "order_lines", "line"),
    "purchase_order.created": lambda d: (
        f"{_of(d, 'po_number', 'supplier_id')} {_count(d, 'lines', 'line')} {_of(d, 'total')}"
    ),
    "purchase_order.sent": _po("supplier_id"),
    "purchase_order.confirmed": _po("supplier_id"),
    "purchase_order.refused": lambda d: (
        f"{_of(d, 'po_number', 'supplier_id')} {_count(d, 'refused', 'line')}, {_count(d, 'lines', 'line')} left"
        f"{_lost(d)}"
    ),
    "purchase_order.rerouted": lambda d: f"{_of(d, 'po_number', 'supplier_id', 'cause')} {_count(d, 'lines', 'line')}",
    "purchase_order.cancelled": _po("supplier_id", "cause"),
    "purchase_order.cancel_refused": _po("supplier_id", "detail"),
    "purchase_order.late": _po("supplier_id", "what", "due"),
    "fulfilment.stopped": lambda d: _count(d, "cancelled_po_ids", "PO"),
    "supplier.po_refused": _po("supplier_id", "reason"),
    "supplier.cancellation_answered": lambda d: (
        f"{_of(d, 'po_number', 'supplier_id')} {'yes' if d.get('accepted') else 'too late'} {_of(d, 'detail')}"
    ),
    "supplier.delay_reported": _po("expected_ship_at", "estimated_delivery", "detail"),
    "supplier.po_confirmed": _po("supplier_id"),
    "supplier.nf_issued": lambda d: _of(d, "supplier_id"),
    "supplier.shipped": _po("carrier", "tracking_code"),
    "supplier_nf.matched": _po("supplier_id", "total"),
    "supplier_nf.diverged": lambda d: f"{_of(d, 'po_number', 'supplier_id')} {_problems(d)}",
    "supplier_nf.refused": lambda d: f"{_of(d, 'supplier_id')} {_problems(d)}",
    "remittance_nf.matched": _po("supplier_id"),
    "remittance_nf.diverged": lambda d: f"{_of(d, 'po_number', 'supplier_id')} {_problems(d)}",
    "invoice.issued": lambda d: f"{_of(d, 'series')}/{_of(d, 'number', 'total')}",
    "invoice.refused": lambda d: f"{_of(d, 'series')}/{_of(d, 'number', 'at_stake')} {_problems(d)}",
    "invoice.handed_over": _po(),
    "invoice.cancelled": lambda d: _of(d, "access_key", "how", "decision"),
    "invoice.reduced": lambda d: _of(d, "access_key", "amount", "decision"),
    "billing.stopped": lambda d: f"{_count(d, 'invoices_in_force', 'invoice')} {_of(d, 'decision')} {_problems(d)}",
    "refund.requested": lambda d: _of(d, "payment_id", "method", "amount"),
    "refund.ordered": lambda d: _of(d, "by", "amount"),
    "refund.reported": lambda d: _of(d, "outcome", "bank_reference"),
    "refund.settled": lambda d: _of(d, "amount"),
    "refund.failed": lambda d: _of(d, "amount", "detail"),
    "shipment.delayed": _po("expected_ship_at", "estimated_delivery", "detail"),
    "payable.opened": _po("supplier_id", "amount"),
    "payable.withheld": _po("supplier_id", "amount"),
    "supplier_payment.ordered": lambda d: _of(d, "supplier_id", "amount"),
    "supplier_payment.reported": lambda d: _of(d, "outcome", "bank_reference"),
    "supplier_payment.settled": lambda d: _of(d, "supplier_id", "amount"),
    "supplier_payment.refused": lambda d: _of(d, "supplier_id", "amount"),
    "shipment.dispatched": _po("carrier", "tracking_code"),
    "shipment.irregular": lambda d: f"{_of(d, 'po_number')} without {' and '.join(map(str, d.get('missing') or []))}",
    "shipment.found": _po("carrier", "tracking_code"),
    "shipment.delivered": _po(),
    "shipment.problem_reported": _po(),
    "shipment.resumed": _po("detail"),
    "carrier.reported": lambda d: _of(d, "carrier", "tracking_code", "status"),
    "channel.order_reported": lambda d: _of(d, "channel_order_code", "status"),
    "channel.updated": lambda d: _of(d, "channel_id", "fact", "reference"),
    "channel.update_refused": lambda d: _of(d, "channel_id", "fact", "code"),
    "channel.label_available": lambda d: _of(d, "channel_id"),
    "channel.delivery_reported": lambda d: _of(d, "channel_id"),
    "customer.notified": lambda d: _of(d, "fact", "reference"),
}
