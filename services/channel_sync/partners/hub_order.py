"""A hub's order as its queue gives it, in our words.

The payments are told apart from the order, so that the order says the same before and after it was paid. A cancellation
is read first, so that nothing else in the order keeps it from being heard.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from schemas.order import OrderCancellationRequested, OrderPlaced
from schemas.payment import PaymentApproved
from schemas.values import MOST_ORIGINAL, Id, Problem
from services.channel_sync.polling import order_id
from services.channel_sync.requests import OrderFetched
from shared.partner.errors import Rejected

_METHODS = {"pix", "boleto", "credit_card", "debit_card", "marketplace"}
_GONE = {"shipped", "delivered"}
_REASON_LENGTH = 250
_CODE: TypeAdapter[str] = TypeAdapter(Id)
_Said = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""PostgreSQL keeps every character but this one."""
_Time = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[^\x00]+$")]
"""Not a number, which pydantic takes for seconds since 1970."""


class _Shape(BaseModel):
    """As the hub writes it; what the values must be, our own messages say."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, alias_generator=to_camel)


class _Customer(_Shape):
    name: _Said
    document: _Said
    email: _Said
    phone: _Said | None = None


class _Address(_Shape):
    street: _Said
    number: _Said
    complement: _Said | None = None
    neighborhood: _Said
    city: _Said
    ibge: _Said
    state: _Said
    zip: _Said


class _Item(_Shape):
    sku: _Said
    name: _Said
    qty: int
    price: _Said
    discount: _Said | None = None
    ean: _Said | None = None


class _Payment(_Shape):
    id: _Said
    method: _Said | None = None
    value: _Said
    approved_at: _Time | None = None


class _Order(_Shape):
    code: _Said
    status: _Said | None = None
    placed_at: _Time
    customer: _Customer
    shipping_address: _Address
    items: list[_Item]
    shipping_cost: _Said | None = None
    discount: _Said | None = None
    total: _Said
    payments: list[_Payment] | None = None
    logistics: _Said | None = None
    shipment_id: _Said | None = None
    label_by_channel: bool | None = None
    fulfilled: bool | None = None


def read_order(said: Any, channel_id: str, store_id: str) -> OrderFetched:
    """What it says, or why it cannot be read. Rejected: it has not even a code."""
    if not isinstance(said, dict) or said.get("code") is None:
        raise Rejected(f"the queue gave something that is no order: {ascii(said)[:200]}")
    code = said["code"]
    if not _is_usable(code):
        problem = Problem(code="unusable_code", where="code", detail="no name of an order", found=ascii(code)[:200])
        return OrderFetched(code=f"?{hashlib.sha256(ascii(code).encode()).hexdigest()[:16]}", problems=(problem,))
    id = order_id(channel_id, code)
    cancelled = _cancellation(said, id) if said.get("status") == "cancelled" else None
    try:
        order = _Order.model_validate(said)
        placed = OrderPlaced.model_validate(_placed(order, id, channel_id, store_id))
        approved = tuple(PaymentApproved.model_validate(payment) for payment in _approved(order, id))
    except ValidationError as error:
        return OrderFetched(code=code, cancelled=cancelled, problems=_problems(error), original=_original(said))
    return OrderFetched(code=code, placed=placed, approved=approved, cancelled=cancelled)


def _original(said: dict[str, Any]) -> str | None:
    """As ASCII: half a character, or U+0000, stays what it was and can be kept."""
    original = json.dumps(said)
    return original if len(original) <= MOST_ORIGINAL else None


def _is_usable(code: Any) -> bool:
    """As our own id, and as a part of the path under which the hub is told of it: there dots lead elsewhere."""
    try:
        return _CODE.validate_python(code, strict=True) not in (".", "..")
    except ValidationError:
        return False


def _placed(order: _Order, id: str, channel_id: str, store_id: str) -> dict[str, Any]:
    address = order.shipping_address
    return {
        "order_id": id,
        "store_id": store_id,
        "channel_id": channel_id,
        "channel_order_code": order.code,
        "placed_at": order.placed_at,
        "customer": {
            "name": order.customer.name,
            "tax_id": order.customer.document,
            "email": order.customer.email,
            "phone": order.customer.phone,
        },
        "ship_to": {
            "street": address.street,
            "number": address.number,
            "complement": address.complement or "",
            "district": address.neighborhood,
            "city": address.city,
            "ibge_code": address.ibge,
            "uf": address.state,
            "postal_code": address.zip,
        },
        "items": [_item(line, item) for line, item in enumerate(order.items, 1)],
        "freight": order.shipping_cost or "0.00",
        "discount": order.discount or "0.00",
        "total": order.total,
        "payments": [_payment(payment) for payment in order.payments or ()],
        "logistics": {
            "type": order.logistics or "own",
            "shipment_id": order.shipment_id,
            "label_by": "channel" if order.label_by_channel else "us",
        },
        "fulfilment": "fulfilled" if _is_fulfilled(order) else "unfulfilled",
    }


def _item(line: int, item: _Item) -> dict[str, Any]:
    return {
        "line": line,
        "sku": item.sku,
        "name": item.name,
        "quantity": item.qty,
        "unit_price": item.price,
        "discount": item.discount or "0.00",
        "gtin": item.ean,
    }


def _payment(payment: _Payment) -> dict[str, Any]:
    return {
        "payment_id": payment.id,
        "method": payment.method if payment.method in _METHODS else "other",
        "amount": payment.value,
    }


def _approved(order: _Order, id: str) -> Iterator[dict[str, Any]]:
    for p in order.payments or ():
        if p.approved_at:
            yield {"order_id": id, "payment_id": p.id, "amount": p.value, "approved_at": p.approved_at}


def _is_fulfilled(order: _Order) -> bool:
    """By its flag or its status: what left already is not bought again."""
    return bool(order.fulfilled) or order.status in _GONE


def _cancellation(said: dict[str, Any], id: str) -> OrderCancellationRequested:
    """Whatever its reason and its time look like."""
    reason = said.get("cancelReason")
    words = reason.encode(errors="replace").decode() if isinstance(reason, str) else ""
    return OrderCancellationRequested(
        order_id=id,
        requested_by="channel",
        reason=re.sub(r"[\x00-\x1f]+", " ", words).strip()[:_REASON_LENGTH] or "cancelled by the channel",
        requested_at=_instant(said.get("cancelledAt")) or datetime.now(UTC),
    )


def _instant(said: Any) -> datetime | None:
    """None where it is not the time of a day with an offset."""
    try:
        found = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _problems(error: ValidationError) -> tuple[Problem, ...]:
    return tuple(
        Problem(code=found["type"], where="/".join(map(str, found["loc"])), detail=found["msg"])
        for found in error.errors(include_url=False, include_input=False)[:20]
    )
