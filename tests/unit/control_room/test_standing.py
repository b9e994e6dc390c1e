"""Where an order stands, in one sentence: each step of its way, what went wrong, and journals that make no sense."""

from datetime import timedelta
from typing import Any

import pytest

from schemas.store import Deadlines
from services.control_room.standing import Names, span, standing, undecided
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
        (CREATED, "waiting for Farol Sul's system to take PO 1042 since 3 h; routed again in 21 h"),
        (SENT, "waiting for Farol Sul to confirm PO 1042 since 3 h; reminder in 9 h"),
        (CONFIRMED, "waiting for the NF of PO 1042 from Farol Sul since 3 h; alert in 45 h"),
        (MATCHED, "waiting for the invoice of PO 1042 to be authorised since 3 h"),
        (INVOICED, "waiting for the invoice (and the label) of PO 1042 to reach Farol Sul since 3 h; alert in 21 h"),
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
            "the NF of PO 1042 from Farol Sul diverges, price_differs: waiting for Farol Sul to send a correct one",
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


@pytest.mark.parametrize(
    "settled", [told("invoice.cancelled", 2, invoice_id="i", how="entry_nf"), told("invoice.reduced", 2)]
)
def test_invoice_that_bills_void_goods_waits_for_a_person_until_he_has_decided(settled: Told) -> None:
    named = {"invoice_id": "i", "series": 1, "number": 501, "po_ids": ["po-1"], "at_stake": "89.90"}
    told_of = told("invoice.refused", 1, problems=[{"code": "bills_void_goods"}, {"code": "501"}], **named)
    for lines in (GIVEN, MATCHED):
        assert "(bills_void_goods, 501, BRL 89.90, of PO 1042)" in standing([*lines, told_of], NAMES, NOW).sentence
        assert undecided([*lines, told_of])
        assert not undecided([*lines, told_of, settled])
        assert "settle" not in standing([*lines, told_of, settled], NAMES, NOW).sentence


def test_what_is_withheld_from_a_supplier_is_said_until_it_is_paid() -> None:
    lines = [status("cancelled"), *(told("payable.withheld", n, payable_id="p", amount=f"{n}0.00") for n in (1, 2))]
    assert standing(lines, NAMES, NOW).sentence.endswith(
        "; BRL 20.00 withheld: the supplier must cancel its NF or credit that"
    )
    paid = told("supplier_payment.settled", 3, payable_id="p")
    assert "withheld" not in standing([*lines, paid], NAMES, NOW).sentence


def test_what_a_channel_would_not_pay_back_is_said_until_somebody_has() -> None:
    ordered = told("refund.ordered", 1, refund_id="r-1", amount="49.95", by="channel")
    refused = told("channel.update_refused", 2, channel_id="ml", fact="refunded", reference="r-1", code="not_taken")
    other = told("channel.update_refused", 2, channel_id="ml", fact="invoice", reference="k1", code="invalid_key")
    assert "paid back" not in standing([*SHIPPED, ordered, other], NAMES, NOW).sentence
    assert standing([*SHIPPED, ordered, refused, refused], NAMES, NOW).sentence.endswith(
        "; BRL 49.95 not paid back by ml (not_taken): a person must pay it back there"
    )
    settled = told("refund.settled", 3, refund_id="r-1")
    assert "paid back" not in standing([*SHIPPED, ordered, refused, settled], NAMES, NOW).sentence
    assert "not paid back" not in standing([ordered, refused, status("cancelled", 3)], NAMES, NOW).sentence


def test_while_an_order_is_being_cancelled_nothing_is_decided_before_billing_has_stopped() -> None:
    told_of = told("invoice.refused", 1, invoice_id="i", problems=[{"code": "bills_void_goods"}])
    lines = [*GIVEN, told_of, told("order.cancellation_started", 2)]
    assert not undecided(lines)
    assert undecided([*lines, told("billing.stopped", 3, invoices_in_force=["k1"])])
    assert undecided([*lines, told("order.cancellation_refused", 3)])


def test_of_several_pos_the_least_advanced_says_it_and_void_ones_are_left_out() -> None:
    other, void = PO | {"po_id": "po-2", "po_number": "1043"}, PO | {"po_id": "po-3", "po_number": "1044"}
    lines = [*SHIPPED, told("purchase_order.created", **other), told("purchase_order.sent", **other),
             told("purchase_order.created", **void), told("purchase_order.cancelled", **void)]  # fmt: skip
    found = standing(lines, NAMES, NOW)
    assert found.sentence.startswith("waiting for Farol Sul to confirm PO 1043")
    assert found.sentence.endswith("(and 1 more PO)")
    assert [po.number for po in found.purchase_orders] == ["1042", "1043"]


R: dict[str, Any] = {"invoice_key": "k1"}
HANDED_OVER = [*INVOICED, told("invoice.handed_over", **PO, **R)]
WITH_S1 = [*HANDED_OVER, told("remittance_nf.matched", **PO, **R)]
CANCELLED_R = [told("invoice.cancelled", 1, access_key="k1"), status("awaiting_invoice", 1)]


@pytest.mark.parametrize("before", [HANDED_OVER, WITH_S1], ids=["handed over", "with S1"])
def test_r_that_was_cancelled_takes_its_hand_over_and_its_s1_with_it(before: list[Told]) -> None:
    waits = "waiting for the invoice of PO 1042 to be authorised since 3 h"
    assert standing([*before, *CANCELLED_R], NAMES, NOW).sentence == waits
    again = [*before, *CANCELLED_R, told("invoice.issued", 2, po_ids=["po-1"], access_key="k2")]
    assert "to reach Farol Sul since 1 h; alert in 23 h" in standing(again, NAMES, NOW).sentence
    given = [*again, told("invoice.handed_over", 2, invoice_key="k2", **PO)]
    assert standing(given, NAMES, NOW).sentence.startswith("waiting for the remessa NF")


def parcel(type: str, id: str, hours: float = 0, **data: Any) -> Told:
    return told(f"shipment.{type}", hours, shipment_id=id, **PO, **data)


TWO_PARCELS = [*SHIPPABLE, parcel("dispatched", "a"), parcel("dispatched", "b", 1)]
PROBLEM = parcel("problem_reported", "a", 1, detail="lost")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([], "waiting for the carrier to deliver 2 of 2 parcels of PO 1042 from Farol Sul since 2 h"),
        ([parcel("delivered", "a", 2)], "waiting for the carrier to deliver 1 of 2 parcels of PO 1042 from Farol Sul"),
        ([parcel("delivered", "a", 2), parcel("delivered", "b", 2)], "PO 1042 from Farol Sul was delivered since 1 h"),
        ([PROBLEM], "delivery problem of PO 1042: lost since 2 h"),
        ([PROBLEM, parcel("delivered", "a", 2)], "waiting for the carrier to deliver 1 of 2 parcels"),
        (
            [PROBLEM, parcel("problem_reported", "b", 1.5, detail="torn"), parcel("delivered", "b", 2)],
            "delivery problem of PO 1042: lost",
        ),
        ([PROBLEM, parcel("resumed", "a", 2)], "waiting for the carrier to deliver 2 of 2 parcels"),
        ([parcel("resumed", "a", 0.5), PROBLEM], "delivery problem of PO 1042: lost"),
    ],
)
def test_po_of_two_parcels_is_delivered_when_both_are(more: list[Told], sentence: str) -> None:
    assert standing([*TWO_PARCELS, *more], NAMES, NOW).sentence.startswith(sentence)


PARCEL = {"shipment_id": "a", "carrier": "rapido", "tracking_code": "T1"}


def test_what_a_carrier_lost_is_said_to_be_lost_by_it_and_found_where_it_arrives_after_all() -> None:
    lines = [
        *TWO_PARCELS,
        PROBLEM,
        parcel("delivered", "b", 2),
        told("purchase_order.refused", 2, lost_parcels=[PARCEL], **PO, lines=[{}]),
    ]
    assert standing(lines, NAMES, NOW).sentence.startswith("PO 1042 from Farol Sul was delivered"), (
        "nobody waits for it"
    )
    withheld = told("payable.withheld", 2, payable_id="p", amount="20.00", lost_parcels=[PARCEL], **PO)
    sentence = standing([*lines, withheld], NAMES, NOW).sentence
    assert "BRL 20.00 withheld: lost by rapido (parcel T1); the supplier must" in sentence
    found = told("shipment.found", 1, **PARCEL, **PO)
    sentence = standing([*lines, withheld, found], NAMES, NOW).sentence
    assert "given up as lost and delivered after all by rapido (parcel T1): a person must" in sentence


def test_po_that_left_in_part_waits_for_the_rest() -> None:
    first = [*SHIPPABLE, parcel("dispatched", "a", 1, open_lines=[2]), parcel("delivered", "a", 2, open_lines=[2])]
    assert standing(first, NAMES, NOW).sentence == "waiting for Farol Sul to ship line 2 of PO 1042 since 2 h"
    whole = [*first, parcel("dispatched", "b", 2)]
    assert standing(whole, NAMES, NOW).sentence.startswith("waiting for the carrier to deliver 1 of 2 parcels")


def attempt(type: str, hours: float, of: float, **data: Any) -> Told:
    return told(type, hours, started_at=(AT + timedelta(hours=of)).isoformat(), **data)


REFUSED_ONCE = [
    *SENT,
    attempt("order.cancellation_started", 0.1, 0.1),
    attempt("fulfilment.stopped", 0.2, 0.1),
    attempt("billing.stopped", 0.3, 0.1, invoices_in_force=["3526"], decision="continue"),
    told("order.cancellation_refused", 0.4),
    attempt("order.cancellation_started", 1, 1),
]


def test_second_attempt_to_cancel_knows_nothing_of_what_the_first_was_told() -> None:
    def waits(*more: Told) -> str:
        return standing([*REFUSED_ONCE, *more], NAMES, NOW).sentence

    late = attempt("billing.stopped", 1.1, 0.1, invoices_in_force=["3526"])
    assert waits() == waits(late) == "being cancelled since 2 h: waiting for the answer of Farol Sul (PO 1042)"
    assert not undecided([*REFUSED_ONCE, late])
    stopped = attempt("fulfilment.stopped", 1.2, 1)
    assert waits(stopped).endswith("waiting for SEFAZ to cancel the invoice")
    in_force = attempt("billing.stopped", 1.3, 1, invoices_in_force=["3526"])
    assert "a person must decide, R 3526" in waits(stopped, in_force)
    assert undecided([*REFUSED_ONCE, stopped, in_force])
    assert waits(stopped, in_force, attempt("billing.stopped", 1.4, 1)).endswith("waiting for the order to be closed")


def test_refusal_of_an_attempt_ends_it_whatever_the_clock_of_its_teller_said() -> None:
    at = (AT + timedelta(hours=1.1)).isoformat()
    refused = [*REFUSED_ONCE, told("order.cancellation_refused", 0.9, refused_at=at)]
    assert "to confirm PO 1042" in standing(refused, NAMES, NOW).sentence


def test_nf_that_diverged_and_then_matched_diverges_no_more_and_the_rest_is_waited_for() -> None:
    wrong = told("supplier_nf.diverged", po_number="1042", access_key="x", problems=[{"code": "price_differs"}])
    other = told("supplier_nf.matched", 1, access_key="y", open_lines=[2, 3], **PO)
    same = told("supplier_nf.matched", 2, access_key="x", open_lines=[3], **PO)
    assert "diverges, price_differs" in standing([*CONFIRMED, wrong, other], NAMES, NOW).sentence
    rest = standing([*CONFIRMED, wrong, other, same], NAMES, NOW).sentence
    assert rest == "waiting for the NF of line 3 of PO 1042 from Farol Sul since 1 h"
    parts = standing([*CONFIRMED, other], NAMES, NOW).sentence
    assert parts == "waiting for the NF of lines 2, 3 of PO 1042 from Farol Sul since 2 h"


def test_nobody_is_said_to_decide_on_a_divergence() -> None:
    wrong = told("supplier_nf.diverged", po_number="1042", access_key="x", problems=[{"code": "price_differs"}])
    assert "person" not in standing([*CONFIRMED, wrong], NAMES, NOW).sentence


LOST = [*SENT, told("purchase_order.refused", 1, lines=[], **PO), status("payment_confirmed", 1)]


def test_what_a_void_po_does_not_bring_is_waited_for() -> None:
    waits = "waiting for what PO 1042 does not bring to be bought elsewhere since 2 h"
    assert standing(LOST, NAMES, NOW).sentence == waits
    other = PO | {"po_id": "po-2", "po_number": "1043"}
    bought = [*LOST, told("purchase_order.created", 2, **other)]
    assert standing(bought, NAMES, NOW).sentence.startswith("waiting for Farol Sul's system to take PO 1043")
    beside = [*SENT, told("purchase_order.created", **other), *LOST[len(SENT) :]]
    assert standing(beside, NAMES, NOW).sentence == waits, "the other PO was there before"


@pytest.mark.parametrize(
    ("name", "type", "what"),
    [
        ("out_of_stock", "sourcing.out_of_stock", "stock"),
        ("quote_pending", "sourcing.quote_needed", "a supplier"),
    ],
)
def test_limit_of_the_store_counts_from_the_first_word_and_is_said_when_it_is_over(
    name: str, type: str, what: str
) -> None:
    lines = [status(name), told(type, order_lines=[2]), told(type, 72, order_lines=[2])]
    in_time = standing(lines, NAMES, AT + timedelta(days=4)).sentence
    assert in_time == f"waiting for {what} for line 2 since 4 d; cancelled in 24 h"
    over = standing(lines, NAMES, AT + timedelta(days=9)).sentence
    assert over.startswith(f"waiting for {what} for line 2 since 9 d; the store's limit was over 4 d ago")
    assert "cancelled in" not in over


def test_silence_counts_from_when_the_po_was_asked_to_be_sent() -> None:
    late = [*CREATED, told("purchase_order.sent", 2, **PO)]
    assert standing(late, NAMES, NOW).sentence == "waiting for Farol Sul to confirm PO 1042 since 3 h; reminder in 9 h"
    over = standing(late, NAMES, AT + timedelta(hours=25)).sentence
    assert over == "waiting for Farol Sul to confirm PO 1042 since 25 h; overdue by 1 h"
    prepaid = PO | {"terms": {"kind": "prepaid"}}
    paid = [
        status("ready_to_order"),
        told("purchase_order.created", **prepaid),
        told("supplier_payment.settled", 2, po_id="po-1"),
    ]
    assert standing(paid, NAMES, NOW).sentence.endswith("to take PO 1042 since 1 h; routed again in 23 h")
    sent = [*paid, told("purchase_order.sent", 2.5, **PO)]
    assert standing(sent, NAMES, NOW).sentence.endswith("to confirm PO 1042 since 1 h; reminder in 11 h")


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
