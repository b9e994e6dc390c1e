"""A hub's order as its queue gives it, in our words.

The payments are told apart from the order, so that the order says the same before and after it was paid.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from schemas.order import OrderCancellationRequested, OrderPlaced
from schemas.payment import PaymentApproved
from schemas.values import Problem
from services.channel_sync.polling import order_id
from services.channel_sync.requests import OrderFetched
from shared.partner.errors import Rejected

_METHODS = {"pix", "boleto", "credit_card", "debit_card", "marketplace"}
_GONE = {"shipped", "delivered"}


def read_order(said: Any, channel_id: str, store_id: str) -> OrderFetched:
    """What it says, or why it cannot be read. Rejected: it has not even a code."""
    if not isinstance(said, dict) or not isinstance(said.get("code"), str) or not said["code"]:
        raise Rejected(f"the queue gave something that is no order: {str(said)[:200]}")
    code = said["code"]
    id = order_id(channel_id, code)
    try:
        placed = OrderPlaced.model_validate(_placed(said, id, channel_id, store_id))
        approved = [PaymentApproved.model_validate(payment) for payment in _approved(said, id)]
        cancelled = OrderCancellationRequested.model_validate(_cancellation(said, id)) if _is_cancelled(said) else None
    except ValidationError as error:
        return OrderFetched(code=code, problems=_problems(error))
    except (KeyError, TypeError, AttributeError) as error:
        return OrderFetched(
            code=code, problems=(Problem(code="unreadable", detail=f"{type(error).__name__}: {error}"),)
        )
    return OrderFetched(code=code, placed=placed, approved=tuple(approved), cancelled=cancelled)


def _placed(said: Mapping[str, Any], id: str, channel_id: str, store_id: str) -> dict[str, Any]:
    customer, address = said["customer"], said["shippingAddress"]
    return {
        "order_id": id,
        "store_id": store_id,
        "channel_id": channel_id,
        "channel_order_code": said["code"],
        "placed_at": said["placedAt"],
        "customer": {key: customer.get(name) for key, name in _CUSTOMER.items()},
        "ship_to": {key: address.get(name, "") for key, name in _ADDRESS.items()},
        "items": [_item(line, item) for line, item in enumerate(said["items"], 1)],
        "freight": said.get("shippingCost", "0.00"),
        "discount": said.get("discount", "0.00"),
        "total": said["total"],
        "payments": [_payment(payment) for payment in _payments(said)],
        "logistics": {
            "type": said.get("logistics", "own"),
            "shipment_id": said.get("shipmentId"),
            "label_by": "channel" if said.get("labelByChannel") else "us",
        },
        "fulfilment": "fulfilled" if _is_fulfilled(said) else "unfulfilled",
    }


_CUSTOMER = {"name": "name", "tax_id": "document", "email": "email", "phone": "phone"}
_ADDRESS = {
    "street": "street",
    "number": "number",
    "complement": "complement",
    "district": "neighborhood",
    "city": "city",
    "ibge_code": "ibge",
    "uf": "state",
    "postal_code": "zip",
}


def _item(line: int, item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "line": line,
        "sku": item["sku"],
        "name": item["name"],
        "quantity": item["qty"],
        "unit_price": item["price"],
        "discount": item.get("discount", "0.00"),
        "gtin": item.get("ean"),
    }


def _payments(said: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    payments: Sequence[Mapping[str, Any]] = said.get("payments", ())
    return payments


def _payment(payment: Mapping[str, Any]) -> dict[str, Any]:
    method = payment.get("method")
    return {
        "payment_id": payment["id"],
        "method": method if method in _METHODS else "other",
        "amount": payment["value"],
    }


def _approved(said: Mapping[str, Any], id: str) -> list[dict[str, Any]]:
    return [
        {"order_id": id, "payment_id": p["id"], "amount": p["value"], "approved_at": p["approvedAt"]}
        for p in _payments(said)
        if p.get("approvedAt")
    ]


def _is_fulfilled(said: Mapping[str, Any]) -> bool:
    """By its flag or its status: what left already is not bought again. TypeError: the flag is neither."""
    flag = said.get("fulfilled")
    if not isinstance(flag, bool | None):
        raise TypeError(f"fulfilled is {str(flag)[:20]!r}, neither true nor false")
    return bool(flag) or said.get("status") in _GONE


def _is_cancelled(said: Mapping[str, Any]) -> bool:
    return said.get("status") == "cancelled"


def _cancellation(said: Mapping[str, Any], id: str) -> dict[str, Any]:
    return {
        "order_id": id,
        "requested_by": "channel",
        "reason": said.get("cancelReason") or "cancelled by the channel",
        "requested_at": said.get("cancelledAt") or datetime.now(UTC),
    }


def _problems(error: ValidationError) -> tuple[Problem, ...]:
    return tuple(
        Problem(code=found["type"], where="/".join(map(str, found["loc"])), detail=found["msg"])
        for found in error.errors(include_url=False, include_input=False)[:20]
    )
