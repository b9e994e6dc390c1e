"""The audit of a run: histories are read by what each change says came before it."""

from random import Random
from typing import Any

from deploy.local.audit import LINE, audit
from schemas.order import OrderCompleted, OrderStatusChanged


def history(*statuses: str) -> list[tuple[str, dict[str, Any]]]:
    pairs = zip((None, *statuses), statuses, strict=False)
    return [
        (OrderStatusChanged.TYPE, {"order_id": "A", "previous": before, "status": status}) for before, status in pairs
    ]


def problems(facts: list[tuple[str, dict[str, Any]]]) -> list[str]:
    completed = (OrderCompleted.TYPE, {"order_id": "A"})
    found = audit(["A"], [*facts, completed], [], 0).problems
    return [problem for problem in found if "history" in problem]


def test_changes_that_arrive_out_of_order_are_a_history_in_order() -> None:
    facts = history(*LINE)
    Random(1).shuffle(facts)
    assert problems(facts) == []


def test_change_that_is_missing_is_seen() -> None:
    facts = history(*LINE)
    del facts[3]
    assert len(problems(facts)) == 1


def test_status_that_was_skipped_or_came_twice_is_seen() -> None:
    assert len(problems(history(*LINE[:3], *LINE[4:]))) == 1
    assert len(problems(history(*LINE[:4], *LINE[3:]))) == 1
