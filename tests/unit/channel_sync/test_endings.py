"""What channel and customer hear of changes, cancellations, delays and refunds: once each, in any order."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from schemas.billing import InvoiceCancelled
from schemas.channel import ChannelUpdated
from schemas.order import OrderCancellationStarted, OrderCancelled, OrderChanged
from schemas.purchase_order import ShipmentDelayed
from schemas.refund import RefundSettled
from services.channel_sync.requests import SendMail, TellCancellation, TellInvoice
from services.channel_sync.state import Stage
from tests.unit.channel_sync import builders as b

ORDER = {"order_id": "order-1", "store_id": "store-1", "channel_id": "magalu"}
CANCELLED = OrderCancelled(**ORDER, cause="requested", reason="Desistiu", cancelled_at=b.NOW)
STARTED = OrderCancellationStarted(**ORDER, cause="requested", reason="Desistiu", started_at=b.NOW)
REFUNDED = RefundSettled(
    order_id="order-1", refund_id="r-1", payment_id="pay-1", amount=Decimal("1234.50"), settled_at=b.NOW
)


def invoice_cancelled(number: int = 1) -> InvoiceCancelled:
    return InvoiceCancelled(
        **ORDER, invoice_id=f"inv-{number}", po_ids=(f"po-{number}",), access_key=b.access_key(number),
        protocol="135260000000009", cancelled_at=b.NOW,
    )  # fmt: skip


def delayed(days: int = 2) -> ShipmentDelayed:
    return ShipmentDelayed(
        order_id="order-1", po_id="po-1", po_number="PC1", expected_ship_at=b.NOW + timedelta(days=days), at=b.NOW
    )


def changed(email: str, minutes: int = 0) -> OrderChanged:
    sold = b.accepted()
    return OrderChanged.model_validate(
        ORDER
        | {
            "change_id": f"c-{minutes}",
            "customer": {"name": "Joana Lima", "tax_id": "52998224725", "email": email},
            "ship_to": b.ADDRESS,
            "items": sold.items,
            "freight": "0.00",
            "discount": "0.00",
            "total": sold.total,
            "changed_at": b.NOW + timedelta(minutes=minutes),
        }
    )


def recipients(order: b.Order) -> list[str]:
    return [r.mail.recipient for r in order.requests if isinstance(r, SendMail)]


@pytest.mark.parametrize("arrival", list(permutations((b.accepted(), STARTED, CANCELLED))))
def test_cancellation_is_told_and_mailed_once_in_any_order(arrival: tuple[Any, ...]) -> None:
    order = b.Order().hear(*arrival, *arrival).settle()
    assert [type(r) for r in order.told()] == [TellCancellation]
    assert order.mailed() == [("cancelled", "")]
    assert [e.fact for e in order.events if isinstance(e, ChannelUpdated)] == ["cancelled"]


def test_cancellation_that_is_only_asked_is_told_to_nobody() -> None:
    assert not b.Order().hear(b.accepted(), STARTED).requests


def test_channel_that_cancelled_itself_is_not_told() -> None:
    order = b.Order().hear(b.accepted(), b.reported("cancelled"), CANCELLED)
    assert not order.told()
    assert order.why("cancelled", "") == "cancelled not told: Magalu has said it itself"


def test_what_is_held_is_not_told_once_the_order_is_cancelled() -> None:
    channel = b.channel_changed(rules=[{"nf_key": "with_tracking"}])
    order = b.Order(channel).hear(b.accepted(), b.invoiced(), CANCELLED)
    assert order.state is not None
    assert order.state.stage_of("invoice", b.access_key()) is Stage.NOT_TOLD


@pytest.mark.parametrize("early", [True, False])
def test_invoice_that_was_cancelled_while_held_is_never_told_and_the_next_one_is(early: bool) -> None:
    channel = b.channel_changed(rules=[{"nf_key": "with_tracking"}])
    first = [b.invoiced(), invoice_cancelled()]
    order = b.Order(channel).hear(b.accepted(), *(reversed(first) if early else first))
    order.hear(b.invoiced(2, po_ids=["po-1"]), b.dispatched()).settle()
    assert [r.access_key for r in order.told() if isinstance(r, TellInvoice)] == [b.access_key(2)]


def test_delay_is_mailed_once_for_each_new_date() -> None:
    order = b.Order().hear(b.accepted(), delayed(), delayed(), delayed(days=4))
    assert [fact for fact, _ in order.mailed()] == ["delayed", "delayed"]


def test_refund_is_mailed_with_its_amount_once() -> None:
    order = b.Order().hear(b.accepted(), REFUNDED, REFUNDED)
    (mail,) = [r.mail for r in order.requests if isinstance(r, SendMail)]
    assert "R$ 1.234,50" in mail.text
    assert mail.subject == "Estorno do pedido MAG-1"


@pytest.mark.parametrize(
    ("paid", "promised"), [pytest.param(True, True, id="paid"), pytest.param(False, False, id="unpaid")]
)
def test_cancellation_mail_promises_a_refund_only_to_who_paid(paid: bool, promised: bool) -> None:
    order = b.Order().hear(b.accepted(), *([b.status_changed()] if paid else []), CANCELLED)
    mail = next(r.mail for r in order.requests if isinstance(r, SendMail) and r.fact == "cancelled")
    assert ("estornado" in mail.text) is promised


@pytest.mark.parametrize("before", [True, False])
def test_mails_go_to_the_address_of_the_newest_change(before: bool) -> None:
    changes = (changed("new@example.org", 1), changed("old@example.org"))
    messages = (*changes, b.accepted()) if before else (b.accepted(), *changes)
    assert recipients(b.Order().hear(*messages, b.status_changed())) == ["new@example.org"]


@pytest.mark.parametrize(("to_refund", "said"), [("0.00", False), ("10.00", True)])
def test_cancelled_order_that_was_never_confirmed_promises_a_refund_where_money_was_there(
    to_refund: str, said: bool
) -> None:
    """Half paid, or the wish came before the order: it was never in a status that says that it is paid."""
    told = CANCELLED.model_copy(update={"to_refund": Decimal(to_refund)})
    order = b.Order().hear(b.accepted(), b.status_changed("payment_pending"), told)
    [text] = [r.mail.text for r in order.requests if isinstance(r, SendMail)]
    assert ("será estornado" in text) is said
