"""channel_sync's decisions: in any order, said twice, answered with yes and with no."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from schemas.channel import (
    ChannelUpdated,
    ChannelUpdateRefused,
    CustomerNotified,
    DeliveryReported,
    LabelAvailable,
    ReleaseRule,
)
from schemas.decision import NotYet, Refused
from schemas.model import Model
from schemas.order import OrderCompleted, OrderRefused
from schemas.purchase_order import PurchaseOrderConfirmed
from schemas.shipment import ShipmentIrregular, ShipmentProblemReported, ShipmentResumed
from services.channel_sync import decide
from services.channel_sync.requests import TellDelivery, TellInvoice, TellShipment
from services.channel_sync.state import Reference, Stage
from tests.unit.channel_sync import builders as b

STORY: tuple[Model, ...] = (
    b.accepted(),
    b.status_changed(),
    b.invoiced(),
    b.dispatched(),
    b.delivered(),
    b.status_changed(
        "delivered", changed_at=b.NOW + timedelta(days=2), purchase_orders=[{"po_id": "po-1", "status": "delivered"}]
    ),
)
TOLD = [("invoice", b.access_key()), ("shipment", "TRK1"), ("delivered", "ship-1")]
MAILED = [("confirmed", ""), ("invoiced", b.access_key()), ("shipped", "ship-1"), ("delivered", "")]


@pytest.mark.parametrize("order_of_arrival", list(permutations(range(len(STORY)))))
def test_messages_in_any_order_tell_each_fact_once_and_in_order(order_of_arrival: tuple[int, ...]) -> None:
    order = b.Order().hear(*(STORY[i] for i in order_of_arrival)).settle()
    assert [decide.told(r) for r in order.told()] == TOLD
    assert sorted(order.mailed()) == sorted(MAILED)
    assert order.mailed()[0] == ("confirmed", "")
    assert order.mailed().index(("delivered", "")) > order.mailed().index(("shipped", "ship-1"))
    updated = [e for e in order.events if isinstance(e, ChannelUpdated)]
    assert [(e.fact, e.reference) for e in updated] == TOLD
    notified = [e for e in order.events if isinstance(e, CustomerNotified)]
    assert [(e.fact, e.reference) for e in notified] == order.mailed()
    assert order.state is not None
    assert order.state.status == "delivered"


@pytest.mark.parametrize("place", range(len(STORY)))
def test_every_message_said_twice_changes_nothing(place: int) -> None:
    order = b.Order().hear(*STORY[: place + 1]).settle()
    before = (order.state, list(order.events), list(order.requests))
    order.hear(STORY[place])
    assert (order.state, order.events, order.requests) == before


def test_whole_story_heard_again_changes_nothing() -> None:
    order = b.Order().hear(*STORY).settle()
    before = (order.state, list(order.events), list(order.requests))
    order.hear(*STORY)
    assert (order.state, order.events, order.requests) == before


@pytest.mark.parametrize("twice", [0, 1, 2, 3])
def test_every_answer_heard_twice_is_published_once(twice: int) -> None:
    order = b.Order().hear(*STORY).settle()
    before = (order.state, list(order.events), list(order.requests))
    order.answered(order.requests[twice])
    assert (order.state, order.events, order.requests) == before


def test_order_of_two_pos_tells_each_invoice_and_tracking_once_with_its_own_key() -> None:
    order = b.Order().hear(b.accepted(), b.dispatched(2), b.invoiced(1), b.invoiced(2), b.dispatched(1)).settle()
    order.hear(b.delivered(1), b.delivered(2)).settle()
    trackings = {r.tracking_code: r.invoice_key for r in order.told() if isinstance(r, TellShipment)}
    assert trackings == {"TRK1": b.access_key(1), "TRK2": b.access_key(2)}
    assert sorted(decide.told(r) for r in order.told()) == sorted(
        (fact, reference)
        for n in (1, 2)
        for fact, reference in (("invoice", b.access_key(n)), ("shipment", f"TRK{n}"), ("delivered", f"ship-{n}"))
    )


def test_one_invoice_for_two_pos_travels_with_both_trackings() -> None:
    order = b.Order().hear(b.accepted(), b.invoiced(po_ids=["po-1", "po-2"]), b.dispatched(1), b.dispatched(2)).settle()
    assert [decide.told(r)[0] for r in order.told()] == ["invoice", "shipment", "shipment"]
    assert {r.invoice_key for r in order.told() if isinstance(r, TellShipment)} == {b.access_key(1)}


SECOND = b.dispatched(1, shipment_id="ship-1b", tracking_code="TRK1B")
DELIVERED = b.status_changed(
    "delivered", changed_at=b.NOW + timedelta(days=9), purchase_orders=[{"po_id": "po-1", "status": "delivered"}]
)


def test_each_of_two_parcels_is_told_as_it_leaves_and_as_it_arrives_and_the_customer_once_of_all() -> None:
    """The first has arrived before the second has left."""
    order = b.Order().hear(b.accepted(), b.status_changed(), b.invoiced(), b.dispatched(open_lines=[2])).settle()
    order.hear(b.delivered(open_lines=[2])).settle()
    assert ("delivered", "") not in order.mailed()
    order.hear(SECOND, b.delivered(shipment_id="ship-1b"), DELIVERED).settle()
    told = [r.tracking_codes for r in order.told() if isinstance(r, TellDelivery)]
    assert told == [("TRK1",), ("TRK1B",)]
    assert [r.tracking_code for r in order.told() if isinstance(r, TellShipment)] == ["TRK1", "TRK1B"]
    assert [fact for fact, _ in order.mailed()] == ["confirmed", "invoiced", "shipped", "shipped", "delivered"]


def test_channel_that_knows_no_tracking_is_told_of_a_po_when_all_its_goods_are_there() -> None:
    order = b.Order(b.channel_changed(name="B2W", rules=(ReleaseRule(tracking="not_needed"),)))
    order.hear(b.accepted(), b.invoiced(), b.dispatched(open_lines=[2]), b.delivered(open_lines=[2])).settle()
    assert order.why("delivered", "po-1") == "delivered held: goods of PO po-1 have not left yet"
    order.hear(SECOND).settle()
    assert order.why("delivered", "po-1") == "delivered held: 1 of 2 parcels of PO po-1 are under way"
    order.hear(b.delivered(shipment_id="ship-1b")).settle()
    [told] = [r for r in order.told() if isinstance(r, TellDelivery)]
    assert (told.po_id, told.shipment_id, told.tracking_codes) == ("po-1", None, ())


def test_po_whose_rest_was_refused_is_there_with_the_parcels_that_left() -> None:
    order = b.Order(b.channel_changed(name="B2W", rules=(ReleaseRule(tracking="not_needed"),)))
    order.hear(b.accepted(), b.status_changed(), b.invoiced(), b.dispatched(open_lines=[2])).settle()
    order.hear(b.delivered(open_lines=[2]), DELIVERED, b.po_refused()).settle()
    assert order.why("delivered", "po-1") == "delivered held: goods of PO po-1 have not left yet"
    assert ("delivered", "") not in order.mailed()
    order.hear(b.po_refused(has_left=True, has_arrived=True)).settle()
    assert [r.po_id for r in order.told() if isinstance(r, TellDelivery)] == ["po-1"]
    assert order.mailed()[-1] == ("delivered", "")


def test_tracking_waits_until_the_channel_confirmed_the_nf() -> None:
    order = b.Order().hear(b.accepted(), b.invoiced(), b.dispatched())
    assert [type(r) for r in order.told()] == [TellInvoice]
    assert order.why("shipment", "TRK1") == "tracking held: Magalu has not confirmed the NF"


def test_refused_nf_is_published_and_holds_the_tracking_with_the_reason() -> None:
    order = b.Order().hear(b.accepted(), b.invoiced(), b.dispatched())
    order.answered(order.told()[0], confirmed=False, code="invalid_key", detail="44 characters")
    refused = [e for e in order.events if isinstance(e, ChannelUpdateRefused)]
    assert [(e.fact, e.reference, e.code, e.detail) for e in refused] == [
        ("invoice", b.access_key(), "invalid_key", "44 characters")
    ]
    assert order.why("invoice", b.access_key()) == "invalid_key: 44 characters"
    assert order.why("shipment", "TRK1") == "tracking held: Magalu refused the NF"
    assert [type(r) for r in order.told()] == [TellInvoice]


def test_call_that_was_exhausted_and_replayed_is_confirmed() -> None:
    order = b.Order().hear(b.accepted(), b.invoiced())
    assert order.state is not None
    assert order.state.stage_of("invoice", b.access_key()) is Stage.SENT
    order.answered(order.told()[0])
    assert [type(e) for e in order.events] == [ChannelUpdated]


def test_answer_to_nothing_that_was_asked_is_ignored() -> None:
    order = b.Order().hear(b.accepted(), b.invoiced())
    stray = order.told()[0].model_copy(update={"access_key": b.access_key(9)})
    assert order.answered(stray).events == []
    assert b.decided(decide.on_told(order.state, b.answer(stray), b.context()))[1] == []


@pytest.mark.parametrize(
    ("ref", "missing"),
    [
        (Reference(None, b.references().store), "channel.changed"),
        (Reference(b.references().channel, None), "store.changed"),
    ],
)
def test_order_of_an_unknown_channel_or_store_waits(ref: Reference, missing: str) -> None:
    outcome = decide.on_order_accepted(None, b.accepted(), b.context(ref=ref))
    assert outcome == NotYet(missing)


def test_unpaid_order_is_not_mailed() -> None:
    order = b.Order().hear(b.accepted(), b.status_changed("payment_pending"), b.status_changed("cancelled"))
    assert order.mailed() == []


def test_late_status_does_not_replace_a_newer_one() -> None:
    order = b.Order().hear(b.accepted(), STORY[-1], b.status_changed("po_dispatched"))
    assert order.state is not None
    assert order.state.status == "delivered"


def test_completed_order_shows_it_and_an_older_completion_does_not_win() -> None:
    done = OrderCompleted(order_id="order-1", store_id="s", channel_id="c", completed_at=b.NOW + timedelta(days=9))
    order = b.Order().hear(*STORY)
    state, events, requests = b.decided(decide.on_order_completed(order.state, done, b.context()))
    assert (state.status, events, requests) == ("completed", [], [])
    early = done.model_copy(update={"completed_at": b.NOW})
    assert b.decided(decide.on_order_completed(state, early, b.context()))[0] == state
    assert b.decided(decide.on_order_completed(state, done, b.context()))[0] == state


def test_refused_address_is_kept_with_the_reason_and_nobody_is_notified() -> None:
    order = b.Order().hear(b.accepted(), b.status_changed())
    order.answered(order.requests[0], taken=False, detail="550 no such user")
    assert order.events == []
    assert order.state is not None
    assert [(n.stage, n.why) for n in order.state.notices] == [(Stage.REFUSED, "550 no such user")]


def test_label_is_published_once_and_a_newer_one_again() -> None:
    order = b.Order().hear(b.accepted(), b.reported("label_ready", label=b.LABEL))
    order.hear(b.reported("label_ready", label=b.LABEL, occurred_at=b.NOW + timedelta(hours=1)))
    newer = b.reported("label_ready", label=b.LABEL | {"tracking_code": "MEL2"}, occurred_at=b.NOW + timedelta(hours=2))
    order.hear(newer, b.reported("label_ready", label=b.LABEL), newer)
    labels = [e.label.tracking_code for e in order.events if isinstance(e, LabelAvailable)]
    assert labels == ["MEL1", "MEL2"]


def test_label_ready_without_a_label_is_refused() -> None:
    order = b.Order().hear(b.accepted())
    outcome = decide.on_channel_order_reported(order.state, b.reported("label_ready"), b.context())
    assert isinstance(outcome, Refused)
    assert outcome.code == "label_missing"


def test_delivery_that_the_channel_says_twice_is_published_once() -> None:
    order = b.Order().hear(b.accepted(), b.reported("delivered"))
    order.hear(b.reported("delivered", occurred_at=b.NOW + timedelta(hours=1)), b.reported("delivered"))
    assert [type(e) for e in order.events] == [DeliveryReported]
    assert order.events[0].delivered_at == b.NOW


def test_report_on_an_order_that_is_not_accepted_yet_waits() -> None:
    assert decide.on_channel_order_reported(None, b.reported("shipped"), b.context()) == NotYet("order.accepted")


def test_other_reports_keep_the_newest_status_of_the_channel() -> None:
    order = b.Order().hear(b.accepted(), b.reported("invoiced", occurred_at=b.NOW + timedelta(hours=1)))
    order.hear(b.reported("approved"))
    assert order.state is not None
    assert order.state.reported is not None
    assert order.state.reported.status == "invoiced"
    assert order.events == []


def test_progress_of_a_po_never_goes_back() -> None:
    confirmed = PurchaseOrderConfirmed(
        order_id="order-1", po_id="po-1", po_number="PC1", supplier_id="farol-sul", confirmed_at=b.NOW
    )
    state: Any = None
    for message in (confirmed, b.po_created(), b.po_sent(), confirmed):
        state, events, requests = b.decided(decide.on_purchase_order(state, message, b.context()))
        assert (events, requests) == ([], [])
    assert [(p.po_id, p.progress) for p in state.purchase_orders] == [("po-1", "confirmed")]


def test_refused_order_keeps_the_reasons() -> None:
    refused = OrderRefused.model_validate(
        {
            "order_id": "order-1",
            "store_id": "store-1",
            "channel_id": "magalu",
            "channel_order_code": "MAG-1",
            "reasons": [{"code": "store_unknown"}],
        }
    )
    state, events, requests = b.decided(decide.on_order_refused(None, refused, b.context()))
    assert (state.refused, events, requests) == (("store_unknown",), [], [])
    assert b.decided(decide.on_order_refused(state, refused, b.context()))[0] == state


@pytest.mark.parametrize("order_of_arrival", list(permutations(range(3))))
def test_parcels_newest_word_of_a_problem_or_its_end_is_shown(order_of_arrival: tuple[int, ...]) -> None:
    about: dict[str, Any] = {"order_id": "order-1", "po_id": "po-1", "po_number": "PC1", "shipment_id": "ship-1"}
    said: list[Any] = [
        ShipmentProblemReported(**about, detail="ausente", at=b.NOW),
        ShipmentResumed(**about, at=b.NOW + timedelta(hours=1)),
        ShipmentProblemReported(**about, detail="extraviado", at=b.NOW + timedelta(hours=2)),
    ]
    order = b.Order().hear(b.accepted(), b.dispatched(), *(said[i] for i in order_of_arrival if i < 2))
    assert order.state is not None
    assert order.state.shipments[0].problem == ""
    order.hear(*(said[i] for i in order_of_arrival))
    assert order.state.shipments[0].problem == "extraviado"


@pytest.mark.parametrize("order_of_arrival", list(permutations(range(3))))
def test_parcel_that_left_too_early_and_goes_on_shows_nothing(order_of_arrival: tuple[int, ...]) -> None:
    about: dict[str, Any] = {"order_id": "order-1", "po_id": "po-1", "po_number": "PC1", "shipment_id": "ship-1"}
    said: list[Any] = [
        ShipmentIrregular(**about, missing=("invoice_handed_over",), at=b.NOW),
        ShipmentProblemReported(**about, detail="ausente", at=b.NOW + timedelta(hours=1)),
        ShipmentResumed(**about, at=b.NOW + timedelta(hours=2)),
    ]
    order = b.Order().hear(b.accepted(), b.dispatched(), *(said[i] for i in order_of_arrival))
    assert order.state is not None
    assert order.state.shipments[0].problem == ""


def test_trouble_of_a_shipment_waits_for_it_and_is_noted_there() -> None:
    problem = ShipmentProblemReported(
        order_id="order-1", po_id="po-1", po_number="PC1", shipment_id="ship-1", detail="endereço fechado", at=b.NOW
    )
    assert decide.on_shipment_trouble(None, problem, b.context()) == NotYet("shipment.dispatched")
    order = b.Order().hear(b.accepted(), b.dispatched())
    state, events, _ = b.decided(decide.on_shipment_trouble(order.state, problem, b.context()))
    assert (state.shipments[0].problem, events) == ("endereço fechado", [])
    irregular = ShipmentIrregular(
        order_id="order-1",
        po_id="po-1",
        po_number="PC1",
        shipment_id="ship-1",
        missing=("invoice_handed_over", "remittance_nf_matched"),
        at=b.NOW,
    )
    state, _, _ = b.decided(decide.on_shipment_trouble(order.state, irregular, b.context()))
    assert state.shipments[0].problem == "left before invoice_handed_over and remittance_nf_matched"
