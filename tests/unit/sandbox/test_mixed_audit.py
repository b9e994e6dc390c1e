"""The mixed scenario's audit sees whatever is not as it must be, and its cases are the same for the same seed."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from deploy.local.mixed.audit import ALLOWED, MixedAudit, audit
from deploy.local.mixed.cases import CASES, scripts
from deploy.local.mixed.expected import FACTS, Expected, completed
from deploy.local.mixed.script import Script
from schemas.catalogue import by_type

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
LINE = ("payment_confirmed", "ready_to_order", "po_dispatched", "supplier_invoice_received", "awaiting_invoice",
        "invoiced", "awaiting_shipment", "shipped", "delivered", "completed")  # fmt: skip
Facts = list[tuple[str, dict[str, Any]]]
TYPE_OF = {name: type for type, name in FACTS.items()}


def whole() -> tuple[Facts, list[dict[str, Any]]]:
    """What an order that went well leaves behind, with what partners did."""
    facts: Facts = [
        ("order.status_changed.v1", {"order_id": "A", "previous": before, "status": status})
        for before, status in zip((None, *LINE), LINE, strict=False)
    ]
    effects = []
    for name, count in completed().counts.items():
        assert count == 1
        if name.startswith("mail "):
            facts.append(("customer.notified.v1", {"order_id": "A", "fact": name[5:], "reference": ""}))
        elif name in TYPE_OF:
            facts.append((TYPE_OF[name], _fact(name)))
        else:
            effects.append({"partner": "erp", "operation": name, "key": "A", "idempotency_key": "1"})
    return facts, effects


def _fact(name: str) -> dict[str, Any]:
    return {"order_id": "A", "po_id": "p", "po_number": "1", "terms": {"kind": "on_s2"}, "amount": "9.00",
            "payable": "9.00", "lines": ["…"]}  # fmt: skip


def audited(facts: Facts, effects: list[dict[str, Any]], mails: int = 4, letters: tuple[str, ...] = ()) -> MixedAudit:
    return audit([Script("a case", "A", completed())], facts, effects, mails, letters)


def test_order_that_went_well_is_exact() -> None:
    found = audited(*whole())
    assert found.problems == []
    assert (found.rows[0].orders, found.rows[0].exact) == (1, 1)


def test_moves_of_the_orders_are_collected() -> None:
    assert audited(*whole()).moves == {*pairwise(LINE)}


@pytest.mark.parametrize("place", range(len(whole()[0])))
def test_any_fact_that_is_missing_is_seen(place: int) -> None:
    facts, effects = whole()
    del facts[place]
    assert not audited(facts, effects).exact


@pytest.mark.parametrize("place", range(len(whole()[0])))
def test_any_fact_that_came_twice_is_seen(place: int) -> None:
    facts, effects = whole()
    assert not audited([*facts, facts[place]], effects).exact


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda facts, effects: effects.clear(), id="erp-not-told"),
        pytest.param(
            lambda facts, effects: effects.append({**effects[0], "idempotency_key": "2"}), id="erp-told-twice"
        ),
        pytest.param(
            lambda facts, effects: facts.append(("refund.settled.v1", {"order_id": "A"})), id="refund-not-expected"
        ),
        pytest.param(
            lambda facts, effects: facts.append(("order.accepted.v1", {"order_id": "B"})), id="order-of-nobody"
        ),
    ],
)
def test_what_was_not_expected_is_seen(harm: Callable[[Facts, list[dict[str, Any]]], None]) -> None:
    facts, effects = whole()
    harm(facts, effects)
    assert not audited(facts, effects).exact


def test_dead_letter_and_mail_too_many_are_seen() -> None:
    assert not audited(*whole(), letters=("A",)).exact
    assert not audited(*whole(), letters=("somebody else",)).exact
    assert not audited(*whole(), mails=5).exact


def test_move_that_the_table_forbids_is_seen() -> None:
    facts, effects = whole()
    moves = [f for f in facts if f[0] == "order.status_changed.v1"]
    moves[6][1]["status"], moves[7][1]["previous"] = "payment_pending", "payment_pending"
    assert any("moved from invoiced to payment_pending" in problem for problem in audited(facts, effects).problems)


def test_rubbish_needs_its_one_dead_letter() -> None:
    script = [Script("rubbish", "X", Expected("dead letter"))]
    assert audit(script, [], [], 0, ["X"]).exact
    assert not audit(script, [], [], 0, []).exact
    assert not audit(script, [], [], 0, ["X", "X"]).exact


@pytest.mark.parametrize(
    ("left", "claims"), [(None, "0.00"), ("15.00", "5.00"), ("0.00", "20.00")], ids=["whole", "part", "void"]
)
def test_what_was_paid_for_goods_that_were_refused_is_a_claim(left: str | None, claims: str) -> None:
    facts: Facts = [
        ("supplier_nf.matched.v1", {**_fact("S2"), "payable": "20.00"}),
        ("supplier_payment.settled.v1", {**_fact("supplier paid"), "amount": "20.00"}),
    ]
    if left is not None:
        lines = [{"line": 1}] if left != "0.00" else []
        facts.append(("purchase_order.refused.v1", {**_fact("PO refused"), "total": left, "lines": lines}))
    assert str(audit([], facts, [], 0, []).claims) == claims


def test_void_po_of_which_the_erp_was_not_told_is_seen() -> None:
    facts: Facts = [
        ("purchase_order.created.v1", {"order_id": "A", "po_id": "po-1", "po_number": "1"}),
        ("purchase_order.cancelled.v1", {"order_id": "A", "po_id": "po-1"}),
    ]
    numbered = {"partner": "erp", "operation": "pedido-compra", "key": "po-1", "idempotency_key": "1"}
    told = numbered | {"operation": "cancelamento-pedido-compra"}
    problem = "erp: was not told that PO po-1 is void"
    assert problem in audit([], facts, [numbered], 0, []).problems
    assert problem not in audit([], facts, [numbered, told], 0, []).problems
    assert "erp: was told that PO po-1 is void, and it is not" in audit([], facts[:1], [told], 0, []).problems


def test_po_that_comes_in_part_and_of_which_the_erp_was_not_told_is_seen() -> None:
    refused = {"order_id": "A", "po_id": "po-1", "total": "10.00", "lines": [{"line": 1}]}
    facts: Facts = [("purchase_order.refused.v1", refused)]
    numbered = {"partner": "erp", "operation": "pedido-compra", "key": "po-1", "idempotency_key": "1"}
    told = numbered | {"operation": "alteracao-pedido-compra"}
    problem = "erp: has PO po-1 otherwise than it comes"
    assert problem in audit([], facts, [numbered], 0, []).problems
    assert problem in audit([], [], [numbered, told], 0, []).problems
    assert problem not in audit([], facts, [numbered, told], 0, []).problems


def test_advance_of_which_a_part_came_is_a_claim() -> None:
    facts: Facts = [
        ("purchase_order.created.v1", {**_fact("PO"), "terms": {"kind": "prepaid"}}),
        ("supplier_payment.settled.v1", {**_fact("supplier paid"), "amount": "30.00"}),
        ("supplier_nf.matched.v1", {**_fact("S2"), "payable": "20.00"}),
    ]
    assert str(audit([], facts, [], 0, []).claims) == "10.00"


def test_scripts_are_the_same_for_the_same_seed_and_have_every_case() -> None:
    count = 2 * len(CASES)
    first, again = scripts(count, 3, AT), scripts(count, 3, AT)
    assert [(s.case, s.key, list(s.messages)) for s in first] == [(s.case, s.key, list(s.messages)) for s in again]
    assert {s.case for s in first} == set(CASES)
    assert len({s.key for s in first}) == count


def test_every_counted_type_and_status_is_one_of_the_contract() -> None:
    assert FACTS.keys() <= by_type().keys()
    assert {s for following in ALLOWED.values() for s in following} >= set(LINE)
