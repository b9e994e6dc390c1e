"""What a channel was told of each fact, what a customer was mailed, and what is shown of a cancellation and of a PO:
machines as one table each, every row taken through real messages, and no other one."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any, get_args

import pytest

from schemas.channel import Fact, ReleaseRule
from schemas.decision import Decision, NotYet, Refused
from schemas.model import Message
from schemas.order import OrderCancellationRefused, OrderChangeRefused, OrderCompleted, OrderRefused
from schemas.purchase_order import PurchaseOrderConfirmed
from schemas.refund import RefundFailed
from schemas.shipment import ShipmentIrregular, ShipmentProblemReported, ShipmentResumed
from services.channel_sync import __main__ as main
from services.channel_sync.requests import SendMail
from services.channel_sync.state import ChannelOrder, MailFact, Stage
from shared.worker.subscription import Answer, Subscription
from tests.unit.channel_sync import builders as b
from tests.unit.channel_sync import test_endings as e

Row = tuple[str, str, str, tuple[str, ...]]
Step = Message | Callable[["Told"], Iterable[Any]]

OURS = [s for s in main.SUBSCRIPTIONS if s.aggregate is main.ORDER]
DECIDE: dict[type, Callable[..., Any]] = {s.message: s.decide for s in OURS if isinstance(s, Subscription)}
DECIDE |= {s.request: s.decide for s in OURS if isinstance(s, Answer)}


PARTNERS = {s.request.__name__ for s in OURS if isinstance(s, Answer)}


def said_of(event: Any) -> tuple[Any, Any]:
    return getattr(event, "fact", None), getattr(event, "reference", None)


class Told(b.Order):
    """An order that notes every step of its machines, and what was refused."""

    def __init__(self, channel: Any = None) -> None:
        super().__init__(channel)
        self.taken: set[tuple[str, Row]] = set()
        self.refused: set[str] = set()

    def go(self, *steps: Step) -> "Told":
        for step in steps:
            for what in (step,) if isinstance(step, Message) else tuple(step(self)):
                self._handle(what)
        return self

    def _handle(self, what: Any) -> None:
        kind = type(getattr(what, "request", what))
        before = places(self.state)
        outcome = DECIDE[kind](self.state, what, b.context(what, ref=self.ref))
        match outcome:
            case Refused():
                self.refused.add(outcome.code)
            case NotYet():
                pass
            case Decision(state=None):
                pass
            case Decision():
                known = len(self.events)
                self._take(outcome)
                self._note(before, kind.__name__, self.events[known:])

    def _note(self, before: dict[tuple[str, str], str], kind: str, events: list[Any]) -> None:
        after = places(self.state)
        assert before.keys() <= after.keys(), "what was there once stays"
        for (machine, id), place in after.items():
            if (old := before.get((machine, id), "-")) != place:
                fact = machine.partition(" ")[2] if machine != "purchase order" else ""
                message = "news" if fact and kind not in PARTNERS else kind
                said = tuple(type(e).__name__ for e in events if fact and said_of(e) == (fact, id))
                self.taken.add((machine, (old, message, place, said)))

    def copy(self) -> "Told":
        other = Told(self.ref.channel.versions[0] if self.ref.channel else None)
        other.state, other.requests = self.state, list(self.requests)
        return other


def places(order: ChannelOrder | None) -> dict[tuple[str, str], str]:
    if order is None:
        return {}
    return (
        {(f"told {t.fact}", t.reference): str(t.stage) for t in order.tellings}
        | {(f"mailed {n.fact}", n.reference): str(n.stage) for n in order.notices}
        | ({("cancellation", ""): order.cancellation} if order.cancellation else {})
        | {("purchase order", po.po_id): po.progress for po in order.purchase_orders}
    )


def yes(order: Told) -> Iterator[Any]:
    """Every partner takes what it is told."""
    yield from map(b.answer, order.requests)


def no(order: Told) -> Iterator[Any]:
    for request in order.requests:
        fields = {"taken": False} if isinstance(request, SendMail) else {"confirmed": False, "code": "422"}
        yield b.answer(request, **fields, detail="no")


BY_NEWS: dict[str, set[tuple[str, str]]] = {
    "invoice": {("-", "held"), ("-", "sent"), ("held", "sent"), ("held", "not_told")},
    "shipment": {("-", "held"), ("-", "not_told"), ("-", "sent"), ("held", "sent"), ("held", "not_told")},
    "delivered": {("-", "held"), ("-", "not_told"), ("-", "sent"), ("held", "sent"), ("held", "not_told")},
    "cancelled": {("-", "not_told"), ("-", "sent")},
    "refunded": {("-", "not_told"), ("-", "sent")},
}
"""What a fact of the fleet does to what a channel is told; of an order of two channels' rules both."""
ASKED = {
    "invoice": ("TellInvoice", "SendInvoiceXml"),
    "shipment": ("TellShipment",),
    "delivered": ("TellDelivery",),
    "cancelled": ("TellCancellation",),
    "refunded": ("TellRefund",),
}
ANSWERED = (("confirmed", ("ChannelUpdated",)), ("refused", ("ChannelUpdateRefused",)))
RELEASED = {
    ("told shipment", ("held", "TellInvoice", "sent", ())),
    ("told delivered", ("held", "TellInvoice", "sent", ())),
    ("told delivered", ("held", "TellShipment", "sent", ())),
}
"""A channel that has confirmed one fact may be told the next."""
TOLD_ROWS: frozenset[tuple[str, Row]] = frozenset(
    {
        *((f"told {fact}", (old, "news", new, ())) for fact, moves in BY_NEWS.items() for old, new in moves),
        *((f"told {fact}", ("sent", kind, "confirmed", ("ChannelUpdated",))) for fact in ASKED for kind in ASKED[fact]),
        *(
            (f"told {fact}", ("sent", kind, "refused", ("ChannelUpdateRefused",)))
            for fact in ASKED
            for kind in ASKED[fact]
        ),
        ("told refunded", ("-", "news", "refused", ("ChannelUpdateRefused",))),
        *RELEASED,
    }
)
"""`refused` at once: a channel that has no call for refunds. What was sent is never sent again."""
MAILED_ROWS: frozenset[tuple[str, Row]] = frozenset(
    row
    for fact in get_args(MailFact)
    for row in (
        (f"mailed {fact}", ("-", "news", "sent", ())),
        (f"mailed {fact}", ("sent", "SendMail", "confirmed", ("CustomerNotified",))),
        (f"mailed {fact}", ("sent", "SendMail", "refused", ())),
    )
)
CANCELLATION_ROWS: frozenset[tuple[str, Row]] = frozenset(
    ("cancellation", row)
    for row in (
        ("-", "OrderCancellationStarted", "asked", ()),
        ("-", "OrderCancellationRefused", "refused", ()),
        ("asked", "OrderCancellationRefused", "refused", ()),
        ("refused", "OrderCancellationStarted", "asked", ()),
        *((old, "OrderCancelled", "done", ()) for old in ("-", "asked", "refused")),
    )
)
"""`refused` goes back to `asked` only by a newer attempt."""
STEPS = ("-", "created", "sent", "confirmed")
KINDS = {"created": "PurchaseOrderCreated", "sent": "PurchaseOrderSent", "confirmed": "PurchaseOrderConfirmed"}
PO_ROWS: frozenset[tuple[str, Row]] = frozenset(
    ("purchase order", (old, KINDS[new], new, ())) for n, old in enumerate(STEPS) for new in STEPS[n + 1 :]
)
ROWS = TOLD_ROWS | MAILED_ROWS | CANCELLATION_ROWS | PO_ROWS
ELSEWHERE = {"ChannelOrderGiven", "ChannelOrderUnreadable"}
"""Of channels with a queue: `test_giving`."""


def hours(number: int) -> datetime:
    return b.NOW + timedelta(hours=number)


IDS = {"order_id": "order-1", "store_id": "store-1", "channel_id": "magalu"}
PARCEL = {"order_id": "order-1", "po_id": "po-1", "po_number": "PC1", "shipment_id": "ship-1"}
STARTED = e.STARTED.model_copy(update={"started_at": hours(1)})
GOES_ON = OrderCancellationRefused.model_validate({**IDS, "reasons": (), "refused_at": hours(2)})
AGAIN = STARTED.model_copy(update={"started_at": hours(3)})
CANCELLED = e.CANCELLED.model_copy(update={"cancelled_at": hours(4)})
COMPLETED = OrderCompleted.model_validate({**IDS, "completed_at": hours(99)})
CONFIRMED = PurchaseOrderConfirmed.model_validate(
    {"order_id": "order-1", "po_id": "po-1", "po_number": "PC1", "supplier_id": "farol-sul", "confirmed_at": b.NOW}
)
IRREGULAR = ShipmentIrregular.model_validate({**PARCEL, "missing": ["invoice_handed_over"], "at": hours(1)})
TROUBLE = ShipmentProblemReported.model_validate({**PARCEL, "detail": "endereço fechado", "at": hours(2)})
RESUMED = ShipmentResumed.model_validate({**PARCEL, "at": hours(3)})
ARRIVED = b.status_changed(
    "delivered", changed_at=hours(48), purchase_orders=[{"po_id": "po-1", "status": "delivered"}]
)
REFUND = b.refund_ordered(1)
FAILED = RefundFailed.model_validate(
    {**{name: getattr(REFUND, name) for name in ("order_id", "refund_id", "payment_id", "amount")}, "detail": "x",
     "failed_at": b.NOW}
)  # fmt: skip
CHANGE_REFUSED = OrderChangeRefused.model_validate({**IDS, "change_id": "c-1", "reasons": (), "refused_at": b.NOW})
REFUSED = OrderRefused.model_validate({**IDS, "channel_order_code": "MAG-1", "reasons": [{"code": "no_lines"}]})
ML = {"logistics": {"type": "me2", "shipment_id": "44"}}

HUB = b.channel_changed(rules=(ReleaseRule(delivered_by="either"),))
HOLDS = b.channel_changed(rules=(ReleaseRule(nf_key="with_tracking", tracking="releases_nf"),))
NO_TRACKING = b.channel_changed(rules=(ReleaseRule(tracking="not_needed"),))
MERCADO_LIVRE = b.channel_changed(
    api="mercado_livre", route="direct", rules=(ReleaseRule(needs_xml=True, tracking="from_label"),)
)

SCENES: dict[str, tuple[Any, tuple[Step, ...]]] = {
    "told all": (
        HUB,
        (
            b.accepted(), b.status_changed(), b.po_created(), b.po_sent(), CONFIRMED, b.invoiced(), yes, b.dispatched(),
            yes, b.delivered(), yes, ARRIVED, yes, COMPLETED,
        ),
    ),
    "asked late": (HUB, (b.accepted(), b.dispatched(), b.delivered(), b.invoiced(), yes, yes, yes)),
    "refuses all": (HUB, (b.accepted(), b.invoiced(), b.dispatched(), b.delivered(), no)),
    "refuses the tracking": (HUB, (b.accepted(), b.invoiced(), yes, b.dispatched(), no, b.delivered())),
    "says delivered itself": (
        HUB, (b.accepted(), b.dispatched(), b.delivered(), b.reported("delivered"), b.invoiced()),
    ),
    "NF cancelled before it was told": (
        HOLDS,
        (b.accepted(), b.invoiced(), e.invoice_cancelled(), b.invoiced(2, po_ids=["po-1"]), b.dispatched(), yes),
    ),
    "NF told with the tracking": (HOLDS, (b.accepted(), b.invoiced(), b.dispatched(), yes, b.delivered(), yes)),
    "tracking first": (HOLDS, (b.accepted(), b.dispatched(), b.invoiced(), yes)),
    "NF told with the label": (HOLDS, (b.accepted(), b.invoiced(), b.reported("label_ready", label=b.LABEL), yes)),
    "no tracking needed": (
        NO_TRACKING,
        (
            b.accepted(), b.dispatched(open_lines=[2]), b.delivered(open_lines=[2]),
            b.po_refused(has_left=True, has_arrived=True), b.invoiced(), yes,
        ),
    ),
    "no tracking needed, the rest refused at last": (
        NO_TRACKING,
        (
            b.accepted(), b.invoiced(), yes, b.dispatched(open_lines=[2]), b.delivered(open_lines=[2]),
            b.po_refused(has_left=True, has_arrived=True), yes,
        ),
    ),
    "no tracking needed, NF refused": (NO_TRACKING, (b.accepted(), b.invoiced(), b.dispatched(), b.delivered(), no)),
    "Mercado Livre": (
        MERCADO_LIVRE,
        (b.accepted(**ML), b.invoiced(), no, b.dispatched(), b.delivered(), REFUND, b.status_changed(), CANCELLED),
    ),
    "Mercado Livre, NF taken": (MERCADO_LIVRE, (b.accepted(**ML), b.invoiced(), yes)),
    "Mercado Livre without a shipment": (MERCADO_LIVRE, (b.accepted(), b.invoiced(), CANCELLED)),
    "cancelled": (HUB, (b.accepted(), b.status_changed(), STARTED, GOES_ON, AGAIN, CANCELLED, yes, e.REFUNDED, yes)),
    "cancelled, and refused there": (HUB, (b.accepted(), b.status_changed(), REFUND, CANCELLED, e.REFUNDED, no)),
    "cancelled at the channel": (HUB, (b.accepted(), b.reported("cancelled"), CANCELLED)),
    "cancelled while held": (HOLDS, (b.accepted(), b.invoiced(), b.dispatched(2), b.delivered(2), STARTED, CANCELLED)),
    "cancellation refused first": (HUB, (b.accepted(), GOES_ON, STARTED, AGAIN)),
    "cancelled first": (HUB, (CANCELLED, STARTED, GOES_ON, b.accepted())),
    "refund of a part": (HUB, (b.accepted(), b.given_up({1: 1}), REFUND, yes, e.REFUNDED, yes)),
    "refund of a part refused": (HUB, (b.accepted(), b.given_up({1: 1}), REFUND, FAILED, no, e.REFUNDED)),
    "refund before the order": (HUB, (REFUND, CANCELLED, b.accepted())),
    "PO as it comes": (HUB, (CONFIRMED, b.po_sent(), b.po_created(), b.accepted())),
    "trouble": (HUB, (b.accepted(), b.dispatched(), IRREGULAR, TROUBLE, RESUMED, e.delayed(), no)),
    "delayed": (HUB, (b.accepted(), e.changed("joana@example.org"), CHANGE_REFUSED, e.delayed(), yes)),
    "refused": (HUB, (REFUSED,)),
}  # fmt: skip


@cache
def reached() -> tuple[Told, ...]:
    """Every place of every scene."""
    return tuple(Told(channel).go(*scene[:n]) for channel, scene in SCENES.values() for n in range(len(scene) + 1))


@cache
def everything() -> tuple[Step, ...]:
    return tuple({repr(step): step for _, scene in SCENES.values() for step in scene}.values())


@cache
def watched() -> frozenset[tuple[str, Row]]:
    """All that ever happens: everything that there is, at every place of every scene."""
    books = [*reached(), *(place.copy().go(step) for place in reached() for step in everything())]
    return frozenset(row for book in books for row in book.taken)


def test_every_row_is_taken_through_real_messages_and_no_other() -> None:
    taken = watched()
    assert sorted(taken - ROWS) == [], "taken, though the table does not have it"
    assert sorted(ROWS - taken) == [], "in the table, but no messages lead to it"


def test_tables_have_every_fact_status_and_message() -> None:
    assert set(BY_NEWS) == set(ASKED) == set(get_args(Fact))
    assert {row[2] for machine, row in ROWS if machine.startswith("told")} == {str(stage) for stage in Stage}
    assert {kind for kinds in ASKED.values() for kind in kinds} | {"SendMail"} == PARTNERS
    played = {type(step).__name__ for step in everything() if isinstance(step, Message)}
    assert played | PARTNERS | ELSEWHERE == {kind.__name__ for kind in DECIDE}


def test_what_was_told_or_not_told_stays_so() -> None:
    ends = {"confirmed", "refused", "not_told"}
    assert not {(machine, row) for machine, row in TOLD_ROWS | MAILED_ROWS if row[0] in ends}
    assert {row[2] for _, row in TOLD_ROWS if row[0] == "sent"} == {"confirmed", "refused"}


@pytest.mark.parametrize("scene", SCENES)
def test_every_message_twice_and_all_older_ones_again_change_nothing(scene: str) -> None:
    channel, steps = SCENES[scene]
    once, twice = Told(channel), Told(channel)
    for step in steps:
        once.go(step)
        twice.go(step, step) if isinstance(step, Message) else twice.go(step)
    assert (twice.state, twice.events, twice.requests) == (once.state, once.events, once.requests)
    twice.go(*(step for step in reversed(steps) if isinstance(step, Message)))
    assert (twice.state, twice.events, twice.requests) == (once.state, once.events, once.requests)


def test_parcel_of_a_void_po_is_not_waited_for() -> None:
    """po_dispatch says that it is irregular, and nothing else of it: there is no `shipment.dispatched`."""
    void = IRREGULAR.model_copy(update={"missing": ("purchase_order", "invoice_handed_over")})
    order = Told().go(b.accepted())
    before = order.state
    outcome = DECIDE[ShipmentIrregular](before, void, b.context(void, ref=order.ref))
    assert isinstance(outcome, Decision)
    assert (outcome.state, *outcome.events, *outcome.calls) == (before,)


def test_step_back_in_the_order_of_arrival_shows_the_newest_status() -> None:
    """order_intake says two steps of one moment with times that differ by a microsecond."""
    at = b.NOW
    first = b.status_changed("payment_confirmed", changed_at=at)
    then = b.status_changed("ready_to_order", changed_at=at + timedelta(microseconds=1))
    for arrival in ((first, then), (then, first)):
        order = Told().go(b.accepted(), *arrival)
        assert order.state is not None
        assert order.state.status == "ready_to_order"
