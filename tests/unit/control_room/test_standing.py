"""Where an order stands, in one sentence: each step of its way, what went wrong, and journals that make no sense."""

from datetime import timedelta
from typing import Any

import pytest

from schemas.store import Deadlines
from services.control_room.standing import Names, span, standing
from services.control_room.timeline import Told
from tests.unit.control_room.builders import AT

NAMES = Names({"farol-sul": "Farol Sul"}, Deadlines())
NOW = AT + timedelta(hours=3)
PO: dict[str, Any] = {"po_id": "po-1", "po_number": "1042", "supplier_id": "farol-sul"}


def told(type: str, hours: float = 0, **data: Any) -> Told:
    at = AT + timedelta(hours=hours)
    return Told(at, at, int(hours * 1000), f"{type}.v1", "/dropfleet/x", f"{type}{hours}", "o", "", None, None,
                {"order_id": "ORD-1", **data})  # fmt: skip


def status(name: str, hours: float = 0) -> Told:
    return told("order.status_changed", hours, status=name, changed_at=(AT + timedelta(hours=hours)).isoformat())


CREATED = [status("ready_to_order"), told("order.ready"), told("purchase_order.created", **PO)]
SENT = [*CREATED, status("po_dispatched"), told("purchase_order.sent", **PO)]
CONFIRMED = [*SENT, told("purchase_order.confirmed", **PO)]
MATCHED = [*CONFIRMED, told("supplier_nf.matched", **PO)]
INVOICED = [*MATCHED, told("invoice.issued", po_ids=["po-1"], access_key="k1")]
GIVEN = [*INVOICED, told("invoice.handed_over", **PO)]
SHIPPABLE = [*GIVEN, told("remittance_nf.matched", **PO)]
SHIPPED = [*SHIPPABLE, told("shipment.dispatched", **PO)]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "not placed yet"),
        ([told("order.placed")], "placed; not accepted yet"),
        ([status("payment_pending")], "waiting for the customer's payment since 3 h"),
        ([status("payment_confirmed")], "waiting for the ERP to register the order since 3 h"),
        (
            [status("quote_pending"), told("sourcing.quote_needed", order_lines=[2])],
            "waiting for a supplier for line 2 since 3 h; cancelled in 4 d",
        ),
        (CREATED, "waiting for Farol Sul's system to take PO 1042 since 3 h"),
        (SENT, "waiting for Farol Sul to confirm PO 1042 since 3 h; reminder in 9 h"),
        (CONFIRMED, "waiting for the NF of PO 1042 from Farol Sul since 3 h; reminder in 45 h"),
        (MATCHED, "waiting for the invoice of PO 1042 to be authorised since 3 h"),
        (INVOICED, "waiting for the invoice (and the label) of PO 1042 to reach Farol Sul since 3 h"),
        (GIVEN, "waiting for the remessa NF of PO 1042 from Farol Sul since 3 h; alert in 21 h"),
        (SHIPPABLE, "waiting for Farol Sul to ship PO 1042 since 3 h; alert in 21 h"),
        (SHIPPED, "waiting for the carrier to deliver PO 1042 from Farol Sul since 3 h"),
        ([*SHIPPED, status("delivered", 1)], "delivered since 2 h: completes when the return window is over"),
        ([*SHIPPED, status("completed", 1)], "completed: everything was delivered and the return window is over"),
    ],
    ids=lambda value: None if isinstance(value, list) else value[:40],
)
def test_every_step_says_what_is_waited_for(lines: list[Told], sentence: str) -> None:
    assert standing(lines, NAMES, NOW).sentence == sentence


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ([told("order.refused", reasons=[{"code": "already_fulfilled"}])], "refused: already_fulfilled"),
        ([status("cancelled"), told("order.cancelled", reason="Desistiu")], "cancelled (Desistiu); nothing had been"),
        ([status("cancelled"), told("refund.requested")], "waiting for the bank to settle the refund"),
        ([status("cancelled"), told("refund.requested"), told("refund.settled")], "what was paid is refunded"),
        ([status("cancelled"), told("refund.requested"), told("refund.failed")], "a person must pay it back"),
        ([*SENT, told("order.cancellation_started")], "waiting for the answer of Farol Sul (PO 1042)"),
        ([*SENT, told("order.cancellation_started"), told("fulfilment.stopped")], "SEFAZ to cancel the invoice"),
        (
            [told("order.cancellation_started"), told("billing.stopped", invoices_in_force=["3526"],
                                                      problems=[{"code": "501"}])],
            "a person must decide, R 3526 cannot be cancelled any more (501)",
        ),
        ([*SENT, told("order.cancellation_started"), told("order.cancellation_refused", 1)], "to confirm PO 1042"),
        (
            [*CONFIRMED, told("supplier_nf.diverged", po_number="1042", problems=[{"code": "price_differs"}])],
            "the NF of PO 1042 from Farol Sul diverges, price_differs: a person decides",
        ),
        ([*MATCHED, told("invoice.refused", problems=[{"code": "bills_void_goods"}, {"code": "goods_left"}])],
         "an R in force bills what PO 1042 replaces (bills_void_goods, goods_left): a person must settle it"),
        ([*GIVEN, told("invoice.refused", 1, invoice_id="i", series=1, number=501,
                       problems=[{"code": "bills_void_goods"}, {"code": "window_over"}])],
         "R 1/501 is in force and bills goods that do not come (bills_void_goods, window_over): a person must settle"),
        ([*MATCHED, told("invoice.refused", problems=[{"code": "610"}])], "rejected the invoice of PO 1042 (610)"),
        ([*INVOICED, told("invoice.cancelled", access_key="k1")], "the invoice of PO 1042 to be authorised"),
        ([*SHIPPED, told("shipment.problem_reported", detail="address unknown", **PO)], "address unknown"),
        (
            [status("supplier_payment_pending"), told("purchase_order.created", terms={"kind": "prepaid"}, **PO)],
            "waiting for the advance payment of PO 1042 to Farol Sul since 3 h; routed again in 2 d",
        ),
    ],
    ids=lambda value: None if isinstance(value, list) else value[:40],
)  # fmt: skip
def test_what_went_otherwise_is_said(lines: list[Told], part: str) -> None:
    assert part in standing(lines, NAMES, NOW).sentence


def test_invoice_that_a_person_took_back_is_not_to_be_settled_any_more() -> None:
    told_of = told("invoice.refused", 1, invoice_id="i", problems=[{"code": "bills_void_goods"}])
    undone = told("billing.stopped", 2, decision="continue", invoices_in_force=[])
    for lines in (GIVEN, MATCHED):
        assert "settle" in standing([*lines, told_of], NAMES, NOW).sentence
        assert "settle" not in standing([*lines, told_of, undone], NAMES, NOW).sentence


def test_of_several_pos_the_least_advanced_says_it_and_void_ones_are_left_out() -> None:
    other, void = PO | {"po_id": "po-2", "po_number": "1043"}, PO | {"po_id": "po-3", "po_number": "1044"}
    lines = [*SHIPPED, told("purchase_order.created", **other), told("purchase_order.sent", **other),
             told("purchase_order.created", **void), told("purchase_order.cancelled", **void)]  # fmt: skip
    found = standing(lines, NAMES, NOW)
    assert found.sentence.startswith("waiting for Farol Sul to confirm PO 1043")
    assert found.sentence.endswith("(and 1 more PO)")
    assert [po.number for po in found.purchase_orders] == ["1042", "1043"]


def test_deadline_that_has_passed_is_overdue() -> None:
    late = standing(CONFIRMED, NAMES, AT + timedelta(hours=50)).sentence
    assert late == "waiting for the NF of PO 1042 from Farol Sul since 2 d; overdue by 2 h"


def test_dead_letters_that_hold_it_up_are_named() -> None:
    found = standing(SENT, NAMES, NOW, [{"service": "billing"}, {"service": "billing"}]).sentence
    assert found.endswith("; held up by 2 dead letters of billing")


@pytest.mark.parametrize("data", [None, [], "x", {"po_ids": 3, "lines": 7, "problems": "no"}])
def test_journal_that_makes_no_sense_is_survived(data: Any) -> None:
    odd = [Told(AT, AT, 1, f"{type}.v1", None, None, None, "", None, None, data)
           for type in ("purchase_order.created", "purchase_order.sent", "order.status_changed")]  # fmt: skip
    assert standing(odd, Names(), NOW).sentence


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (90, "1 min"), (3700, "1 h"), (7300, "2 h"), (90_000, "25 h"), (200_000, "2 d")]
)
def test_spans_are_said_in_their_largest_unit(seconds: int, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said
