"""What channel and customer hear of changes, cancellations, delays and refunds: once each, in any order."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from schemas.billing import InvoiceCancelled
from schemas.channel import ChannelUpdated, ChannelUpdateRefused
from schemas.order import OrderCancellationStarted, OrderCancelled, OrderChanged
from schemas.refund import RefundSettled
from schemas.shipment import ShipmentDelayed
from services.channel_sync.requests import SendMail, TellCancellation, TellInvoice, TellRefund
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


def refunds_told(order: b.Order) -> list[tuple[str, str, str]]:
    return [(r.refund_id, str(r.amount), r.reason) for r in order.told() if isinstance(r, TellRefund)]


@pytest.mark.parametrize("arrival", list(permutations((b.accepted(), b.refund_ordered(), REFUNDED))))
def test_partial_refund_is_told_to_the_channel_that_took_the_money_once_in_any_order(arrival: tuple[Any, ...]) -> None:
    order = b.Order().hear(*arrival, *arrival).settle()
    assert refunds_told(order) == [("r-1", "49.95", "a part of the order cannot be delivered")]
    [updated] = [e for e in order.events if isinstance(e, ChannelUpdated)]
    assert (updated.fact, updated.reference) == ("refunded", "r-1")


def test_two_refunds_of_one_order_are_told_each() -> None:
    order = b.Order().hear(b.accepted(), b.refund_ordered(), b.refund_ordered(2, amount="10.00", cause="overpaid"))
    assert [(id, amount) for id, amount, _ in refunds_told(order)] == [("r-1", "49.95"), ("r-2", "10.00")]


@pytest.mark.parametrize("fields", [{"by": "erp"}, {"cause": "cancelled"}], ids=["by the ERP", "cancelled"])
def test_refund_that_the_erp_or_the_cancellation_pays_back_is_not_told(fields: dict[str, Any]) -> None:
    order = b.Order().hear(b.accepted(), b.refund_ordered(**fields)).settle()
    assert not order.told()
    assert not order.events


def test_whole_refund_of_a_cancelled_order_is_told_as_its_cancellation_only() -> None:
    for arrival in permutations((CANCELLED, b.refund_ordered(cause="cancelled", amount="1234.50"))):
        assert [type(r) for r in b.Order().hear(b.accepted(), *arrival).settle().told()] == [TellCancellation]


def test_partial_refund_that_was_not_told_before_the_order_is_cancelled_is_never_told() -> None:
    order = b.Order().hear(b.accepted(), CANCELLED, b.refund_ordered()).settle()
    assert [type(r) for r in order.told()] == [TellCancellation]
    assert order.why("refunded", "r-1") == "refund not told: the order is cancelled, and all of it goes back"


def test_refund_that_was_told_stays_told_when_the_order_is_cancelled_after_it() -> None:
    order = b.Order().hear(b.accepted(), b.refund_ordered()).settle().hear(CANCELLED).settle()
    assert [type(r) for r in order.told()] == [TellRefund, TellCancellation]
    assert order.state is not None
    assert order.state.stage_of("refunded", "r-1") is Stage.CONFIRMED


def test_refund_that_the_channel_refuses_is_said_to_people() -> None:
    order = b.Order().hear(b.accepted(), b.refund_ordered())
    order.answered(order.told()[0], confirmed=False, code="refund_window_over", detail="90 days")
    [refused] = [e for e in order.events if isinstance(e, ChannelUpdateRefused)]
    assert (refused.fact, refused.reference, refused.code) == ("refunded", "r-1", "refund_window_over")


def test_channel_without_a_call_for_refunds_leaves_it_to_a_person_who_hears_of_it_once() -> None:
    channel = b.channel_changed(api="mercado_livre", name="Mercado Livre")
    order = b.Order(channel).hear(b.accepted(), b.refund_ordered(), b.refund_ordered(), b.status_changed())
    assert not order.told()
    [refused] = [e for e in order.events if isinstance(e, ChannelUpdateRefused)]
    assert (refused.fact, refused.reference, refused.code) == ("refunded", "r-1", "not_taken")
    assert "BRL 49.95 not paid back" in refused.detail


ITEMS = [
    {"line": n, "sku": f"S{n}", "name": name, "quantity": 2, "unit_price": "10.00"}
    for n, name in ((1, "Pastilha de freio"), (2, "Farol"), (3, "Filtro"))
]


@pytest.mark.parametrize("arrival", list(permutations((b.accepted(items=ITEMS), b.given_up({2: 1}), b.dispatched()))))
def test_customer_reads_once_which_items_do_not_come(arrival: tuple[Any, ...]) -> None:
    order = b.Order().hear(*arrival, *arrival).settle()
    [mail] = [r.mail for r in order.requests if isinstance(r, SendMail) and r.fact == "given_up"]
    assert mail.subject == "Itens do pedido MAG-1 não serão entregues"
    assert "1 x Farol\n" in mail.text
    assert "Pastilha" not in mail.text
    assert "será estornado" in mail.text


def test_what_is_given_up_later_has_a_mail_of_its_own_that_says_all_and_an_older_word_has_none() -> None:
    order = b.Order(store=b.store_changed(mail_language="en")).hear(b.accepted(items=ITEMS), b.given_up({2: 1}))
    order.hear(b.given_up({2: 2, 3: 2}, minutes=5), b.given_up({2: 1}))
    first, second = [r.mail for r in order.requests if isinstance(r, SendMail)]
    assert "1 x Farol" in first.text
    assert "2 x Farol\n2 x Filtro" in second.text
    assert "will be refunded" in second.text


def test_given_up_items_of_an_order_that_is_cancelled_have_the_cancellations_mail_only() -> None:
    order = b.Order().hear(b.accepted(items=ITEMS), CANCELLED, b.given_up({2: 1}))
    assert order.mailed() == [("cancelled", "")]
