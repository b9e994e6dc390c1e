"""A timeline has what is the order's and nothing of another's, in the order in which it happened."""

from datetime import timedelta
from typing import Any

import pytest

from schemas.catalogue import CATALOGUE
from services.control_room import timeline
from services.control_room.timeline import Told
from services.control_room.words import in_words
from tests.unit.control_room.builders import AT


def line(position: int = 1, **changes: Any) -> Told:
    fields: dict[str, Any] = {
        "time": AT,
        "received_at": AT,
        "position": position,
        "type": "purchase_order.created.v1",
        "source": "/dropfleet/po_dispatch",
        "id": f"id-{position}",
        "subject": "ORD-1",
        "words": "",
        "correlation": "root",
        "causation": None,
        "data": {"order_id": "ORD-1", "po_number": "PC1", "supplier_id": "farol-sul"},
    }
    return Told(**{**fields, **changes})


def test_partner_event_about_the_orders_po_belongs() -> None:
    other = line(2, data={"po_number": "PC1", "supplier_id": "farol-sul"})
    assert timeline.belonging([other], [line()]) == [other]


@pytest.mark.parametrize(
    "data", [{"po_number": "PC2"}, {"po_number": "PC1", "supplier_id": "nova-era"}, {"order_id": "ORD-2"}, {}, None, []]
)
def test_event_that_names_something_else_or_nothing_does_not_belong(data: Any) -> None:
    assert timeline.belonging([line(2, data=data)], [line()]) == []


def test_lines_are_told_by_time_then_arrival_each_once() -> None:
    late = line(1, time=AT + timedelta(seconds=1))
    assert timeline.in_order([late, line(3), line(2), line(3)]) == [line(2), line(3), late]


def test_names_and_beginnings_are_taken_from_the_orders_messages() -> None:
    assert timeline.subjects([line()]) == ["PC1"]
    assert timeline.beginnings([line(causation="cause"), line(2, correlation=None)]) == ["cause", "root"]


@pytest.mark.parametrize(
    ("source", "teller"),
    [
        ("/dropfleet/billing", "billing"),
        ("/partners/suppliers/farol-sul", "suppliers/farol-sul"),
        ("/partners/carriers/R%C3%A1pido", "carriers/Rápido"),
        ("shop", "shop"),
        (None, "?"),
    ],
)
def test_teller_is_the_end_of_the_source(source: str | None, teller: str) -> None:
    assert line(source=source).teller == teller


def test_purchase_order_is_told_with_number_supplier_lines_and_total() -> None:
    data = {"po_number": "PC00000001", "supplier_id": "farol-sul", "lines": [{}, {}], "total": "199.90"}
    assert in_words("purchase_order.created.v1", data) == "PC00000001 farol-sul 2 lines 199.90"


def test_status_is_told_with_where_it_came_from() -> None:
    assert in_words("order.status_changed.v1", {"previous": "invoiced", "status": "shipped"}) == "invoiced → shipped"


@pytest.mark.parametrize("type", [entry.type for entry in CATALOGUE])
@pytest.mark.parametrize("data", [{}, {"items": 7, "lines": None, "problems": [1, {}], "missing": [1], "total": {}}])
def test_words_bear_anything(type: str, data: Any) -> None:
    assert isinstance(in_words(type, data), str)


def test_words_name_no_person() -> None:
    customer = {"name": "Ana Souza", "tax_id": "52998224725", "email": "ana@example.com"}
    data = {"order_id": "1", "customer": customer, "customer_name": "Ana Souza", "customer_email": "ana@example.com"}
    said = " ".join(in_words(entry.type, data) for entry in CATALOGUE)
    assert not {"Ana", "52998224725", "ana@example.com"} & set(said.split())
