"""The three machines of nf_reconciliation as one table each, every row taken through real messages, and no other one:
an NF, what a PO promises to an NF, and an R as an order's POs know it."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from itertools import chain
from typing import Any, get_args

import pytest

from schemas.billing import InvoiceCancelled
from schemas.model import Message
from schemas.nota_fiscal import NfMatchRequested
from schemas.purchase_order import PurchaseOrderCancelled, PurchaseOrderRefused, RefusedLine
from services.nf_reconciliation.__main__ import NF, ORDER, PO, SUBSCRIPTIONS
from services.nf_reconciliation.state import NotaFiscal, OrderPos, Promise, PurchaseOrder
from shared.worker.subscription import Aggregate, Answer, Subscription
from tests.unit.nf_builders import ISSUED_AT, issuing, sale_xml, sold_line, supplier
from tests.unit.nf_reconciliation import builders as b
from tests.unit.nf_reconciliation.harness import NOW, Desk

Row = tuple[str, str, str, tuple[str, ...]]
"""Status before, message, status after, and the kinds of what is said of this NF, PO or R. `-`: not heard of yet."""

NF_ROWS: frozenset[Row] = frozenset(
    {
        ("-", "SupplierNfIssued", "refused", ("SupplierNfRefused",)),
        ("-", "SupplierNfIssued", "matching", ("NfMatchRequested",)),
        ("-", "SupplierNfIssued", "diverged", ("SupplierNfDiverged",)),
        ("refused", "SupplierNfIssued", "matching", ("NfMatchRequested",)),
        ("refused", "SupplierNfIssued", "diverged", ("SupplierNfDiverged",)),
        ("diverged", "SupplierNfIssued", "matching", ("NfMatchRequested",)),
        ("matching", "NfMatchAnswered", "matched", ("NfMatchSettled",)),
        ("matching", "NfMatchAnswered", "diverged", ("SupplierNfDiverged", "NfMatchSettled")),
        ("matching", "NfMatchAnswered", "diverged", ("RemittanceNfDiverged", "NfMatchSettled")),
    }
)
"""`diverged` is left only by an NF that came without SEFAZ's protocol and comes again with it."""

ANSWERED = ("NfMatchAnswered",)
PROMISE_ROWS: frozenset[Row] = frozenset(
    {
        ("-", "NfMatchRequested", "waiting", ()),
        ("-", "NfMatchRequested", "reserved", ANSWERED),
        ("-", "NfMatchRequested", "released", ANSWERED),
        ("-", "NfMatchSettled", "released", ()),
        ("waiting", "PurchaseOrderCreated", "reserved", ANSWERED),
        ("waiting", "PurchaseOrderCreated", "released", ANSWERED),
        ("waiting", "PurchaseOrderRefused", "released", ANSWERED),
        ("waiting", "PurchaseOrderCancelled", "released", ANSWERED),
        ("waiting", "NfInvoiceNoted", "reserved", ANSWERED),
        ("waiting", "NfInvoiceNoted", "released", ANSWERED),
        ("waiting", "NfMatchSettled", "released", ()),
        ("reserved", "NfMatchSettled", "kept", ("SupplierNfMatched",)),
        ("reserved", "NfMatchSettled", "kept", ("RemittanceNfMatched",)),
        ("reserved", "NfMatchSettled", "released", ()),
        ("reserved", "NfInvoiceNoted", "released", ()),
        ("kept", "NfInvoiceNoted", "released", ()),
    }
)
"""`kept` is left only by an S1 whose R was cancelled. What was given back is never promised again."""

NOTED = ("NfInvoiceNoted",)
INVOICE_ROWS: frozenset[Row] = frozenset(
    {
        ("-", "InvoiceIssued", "in_force", ()),
        ("-", "InvoiceIssued", "in_force", NOTED),
        ("-", "InvoiceCancelled", "cancelled", ()),
        ("in_force", "InvoiceCancelled", "cancelled", ()),
        ("in_force", "InvoiceCancelled", "cancelled", NOTED),
    }
)

MOVES_NO_STATUS = {
    "BookSupplierNf": "the ERP's number is noted",
    "NfPoNoted": "R that bill this PO are told to it",
}
REFUSALS = {
    ("SupplierNfIssued", "other_bytes_for_same_key"),
    ("PurchaseOrderCreated", "created_differently"),
    ("NfMatchSettled", "never_promised"),
    ("NfMatchAnswered", "not_asked"),
}


def cancelled() -> PurchaseOrderCancelled:
    return PurchaseOrderCancelled(
        order_id="order-1", po_id=b.po_created().po_id, po_number=b.PO, order_po_ids=(), supplier_id="farol-sul",
        cause="order_cancelled", cancelled_at=NOW,
    )  # fmt: skip


def refused() -> PurchaseOrderRefused:
    po_id = b.po_created().po_id
    return PurchaseOrderRefused(
        order_id="order-1", po_id=po_id, po_number=b.PO, order_po_ids=(po_id,), supplier_id="farol-sul",
        refused=(RefusedLine(line=1, order_line=1, quantity=1),), lines=(), total="0.00", refused_at=NOW,
    )  # fmt: skip


def invoice_cancelled() -> InvoiceCancelled:
    issued = b.invoice_issued()
    fields = {name: getattr(issued, name) for name in InvoiceCancelled.model_fields if hasattr(issued, name)}
    return InvoiceCancelled(**fields | {"protocol": "135260000000009", "cancelled_at": NOW})


@cache
def scenes() -> dict[str, tuple[Message, ...]]:
    """What may become of an NF, from the outside."""
    created, s2, s1, r = b.po_created(), b.nf_issued(b.s2()), b.nf_issued(b.s1()), b.invoice_issued()
    xml = b.s2()
    bare = b.nf_issued(xml[xml.index(b"<NFe ") : xml.index(b"</NFe>") + len(b"</NFe>")])
    dear = b.nf_issued(sale_xml(lines=(sold_line(unit_price=Decimal("21.00")),)))
    two = b.nf_issued(sale_xml(lines=(sold_line(), sold_line(po_number=b.OTHER))))
    two_dear = b.nf_issued(sale_xml(lines=(sold_line(unit_price=Decimal("21.00")), sold_line(po_number=b.OTHER))))
    over_bill = b.nf_issued(
        sale_xml(
            lines=(sold_line(), sold_line(po_number=b.OTHER)),
            instalments=((ISSUED_AT.date(), Decimal("99.81")), (ISSUED_AT.date(), Decimal("10.00"))),
        )
    )
    other = b.po_created(po_number=b.OTHER, order_id="order-2")
    both = b.invoice_issued(po_ids=(created.po_id, f"id-of-{b.OTHER}"))
    two_s1 = b.nf_issued(b.s1(sold_line(), sold_line(po_number=b.OTHER)))
    stranger = b.nf_issued(xml, "pecas-norte")
    return {
        "matched": (created, s2, r, s1),
        "before its PO": (s2, s1, r, created),
        "dear": (created, dear),
        "dear before its PO": (dear, created),
        "without protocol": (created, bare, s2),
        "from a stranger first": (created, stranger, s2),
        "from a stranger, then without protocol": (created, stranger, bare, s2),
        "of two POs": (created, other, two),
        "of two POs, one late": (created, two, other),
        "of two POs, one dear": (created, other, two_dear),
        "of two POs, one dear and the other late": (created, two_dear, other),
        "of two POs, one dear and late": (other, two_dear, created),
        "billed above its total": (created, other, over_bill),
        "for a cancelled PO": (created, cancelled(), s2),
        "for a refused PO": (created, refused(), s2),
        "cancelled while S1 waits": (created, s2, s1, cancelled()),
        "refused while S1 waits": (created, s2, s1, refused()),
        "S1 of a cancelled R": (created, s2, r, s1, invoice_cancelled(), b.invoice_issued(502)),
        "S1 that waited for another R": (created, s2, s1, b.invoice_issued(502)),
        "S1 that cites another R": (created, s2, b.invoice_issued(502), s1),
        "S1 twice": (created, s2, r, s1, b.nf_issued(b.s1(number=4712))),
        "R of two POs cancelled while S1 waits for one": (created, both, two_s1, invoice_cancelled(), other),
        "cancellation of R before R": (created, invoice_cancelled(), r),
        "R without a PO": (r, invoice_cancelled(), created),
        "again in other bytes": (created, s2, b.nf_issued(b.s2() + b"\n")),
        "PO created otherwise": (created, b.po_created(lines=(b.po_line(quantity=3),)), s2),
        "S2 under another number": (created, s2, b.nf_issued(sale_xml(issuing=issuing(supplier(), number=46401)))),
    }


def world() -> tuple[Message, ...]:
    norte = b.supplier_changed(supplier_id="pecas-norte", company=supplier(cnpj="11444777000161"))
    return (b.store_changed(), b.supplier_changed(), norte)


def places(state: Any) -> dict[str, str]:
    """Where what a state is about stands: by access key, or for an NF that alone."""
    match state:
        case NotaFiscal():
            return {"": state.status if state.document is not None else "refused"}
        case PurchaseOrder():
            waiting = {claim.access_key: "waiting" for claim in state.pending}
            return waiting | {key: promise.status for key, promise in state.promises.items()}
        case OrderPos():
            known = {invoice.billed_by.invoice_key: "in_force" for invoice in state.invoices}
            return known | dict.fromkeys(state.cancelled, "cancelled")
    return {}


def about(event: Message) -> str:
    if isinstance(event, NfMatchRequested):
        return event.claim.access_key
    invoice = getattr(event, "invoice", None)
    return str(invoice.invoice_key if invoice is not None else getattr(event, "access_key", ""))


class Watched(Desk):
    """A desk that notes every step of every machine, and what was refused."""

    def __init__(self, *messages: Message) -> None:
        self.taken: dict[str, set[Row]] = {NF.table: set(), PO.table: set(), ORDER.table: set()}
        self.refused: set[tuple[str, str]] = set()
        self.said: list[Message] = []
        super().__init__(*messages)

    def _publish(self, event: Message) -> None:
        self.said.append(event)
        super()._publish(event)

    def _apply(self, message: Any, aggregate: Aggregate[Any], key: str, decide: Any) -> None:
        before, known = places(self.state(aggregate, key)), len(self.refusals)
        self.said = []
        super()._apply(message, aggregate, key, decide)
        kind = type(getattr(message, "request", message)).__name__
        self.refused |= {(kind, refusal.code) for refusal in self.refusals[known:]}
        after = places(self.state(aggregate, key))
        assert before.keys() <= after.keys(), "what was heard of is never forgotten"
        for one in (one for one in after if before.get(one, "-") != after[one]):
            said = tuple(dict.fromkeys(type(event).__name__ for event in self.said if one in ("", about(event))))
            self.taken[aggregate.table].add((before.get(one, "-"), kind, after[one], said))

    def copy(self) -> "Watched":
        other = Watched()
        other.states = dict(self.states)
        return other


@cache
def everything() -> tuple[Message, ...]:
    """Every message of every scene, and every one that the service says to itself in them."""
    found: dict[str, Message] = {}
    for scene in scenes().values():
        desk = Desk(*world(), *scene)
        found |= {repr(message): message for message in (*scene, *desk.commands)}
    return tuple(found.values())


def prefixes() -> Iterator[Sequence[Message]]:
    for scene in scenes().values():
        yield from (scene[:n] for n in range(len(scene) + 1))


@cache
def watched() -> Watched:
    """All that ever happens: every message that there is, at every place of every scene, handled by itself."""
    all_of_it = Watched()
    for heard in {tuple(map(repr, prefix)): prefix for prefix in prefixes()}.values():
        reached = Watched(*world(), *heard)
        for message in everything():
            step = reached.copy()
            step.queue.append(message)
            step.step()
            for desk in (reached, step):
                all_of_it.refused |= desk.refused
                for table, rows in desk.taken.items():
                    all_of_it.taken[table] |= rows
    return all_of_it


@pytest.mark.parametrize(
    ("aggregate", "rows"), [(NF, NF_ROWS), (PO, PROMISE_ROWS), (ORDER, INVOICE_ROWS)], ids=["nf", "promise", "invoice"]
)
def test_every_row_is_taken_through_real_messages_and_no_other(aggregate: Aggregate[Any], rows: frozenset[Row]) -> None:
    taken = watched().taken[aggregate.table]
    assert sorted(taken - rows) == [], "taken, though the table does not have it"
    assert sorted(rows - taken) == [], "in the table, but no messages lead to it"


def test_what_can_be_no_step_is_refused_by_name() -> None:
    assert watched().refused == REFUSALS


def entered_or_left(rows: frozenset[Row]) -> set[str]:
    return {row[0] for row in rows} | {row[2] for row in rows}


def test_tables_have_every_status_and_every_message() -> None:
    statuses = get_args(NotaFiscal.model_fields["status"].annotation)
    assert {*statuses, "refused", "-"} == entered_or_left(NF_ROWS)
    promised = get_args(Promise.model_fields["status"].annotation)
    assert {*promised, "waiting", "-"} == entered_or_left(PROMISE_ROWS)
    ours = [s for s in SUBSCRIPTIONS if s.aggregate in (NF, PO, ORDER)]
    handled = {s.message.__name__ for s in ours if isinstance(s, Subscription)}
    handled |= {s.request.__name__ for s in ours if isinstance(s, Answer)}
    assert {row[1] for row in chain(NF_ROWS, PROMISE_ROWS, INVOICE_ROWS)} | set(MOVES_NO_STATUS) == handled


def test_what_is_matched_released_or_cancelled_stays_so() -> None:
    """All rows lead towards these ends; only the S1 of a cancelled R loses what was kept for it."""
    assert "matched" not in {row[0] for row in NF_ROWS}
    assert not {"released", "cancelled"} & {row[0] for row in PROMISE_ROWS | INVOICE_ROWS}
    assert {row[1:3] for row in PROMISE_ROWS if row[0] == "kept"} == {("NfInvoiceNoted", "released")}
    assert {row[1:3] for row in NF_ROWS if row[0] == "diverged"} == {("SupplierNfIssued", "matching")}


@pytest.mark.parametrize("scene", scenes())
def test_every_message_twice_and_all_older_ones_again_change_nothing(scene: str) -> None:
    once, twice = Watched(*world(), *scenes()[scene]), Watched(*world())
    for message in scenes()[scene]:
        twice.take(message)
        twice.take(message)
    assert (twice.states, twice.facts, twice.calls) == (once.states, once.facts, once.calls)
    for message in reversed((*scenes()[scene], *once.commands)):
        twice.take(message)
    assert (twice.states, twice.facts, twice.calls) == (once.states, once.facts, once.calls)
