"""Edits: what stays, what must fit, how fields are set, what differs."""

import json

import pytest

from services.control_room.campaign import edit
from tests.unit.control_room.builders import event

PAID = {"order_id": "ORD-1", "payment_id": "P1", "amount": "1,00", "approved_at": "2026-11-22T12:00:00Z"}


def paid(**changes: object) -> bytes:
    return json.dumps(event(type="payment.approved.v1", data={**PAID, "amount": "1.00"}, **changes)).encode()


ORIGINAL = json.dumps(event(type="payment.approved.v1", data=PAID)).encode()


def test_edit_that_fits_the_schema_passes() -> None:
    edit.check(ORIGINAL, paid(), "payment.approved.v1")


@pytest.mark.parametrize("change", [{"id": "e-2"}, {"source": "/x"}, {"subject": "ORD-2"}, {"type": "order.ready.v1"}])
def test_edit_that_changes_what_the_event_is_says_so(change: dict[str, str]) -> None:
    [name] = change
    with pytest.raises(edit.CannotEdit, match=f"^{name}: stays"):
        edit.check(ORIGINAL, json.dumps({**json.loads(paid()), **change}).encode(), "payment.approved.v1")


def test_edit_that_breaks_the_schema_says_where() -> None:
    with pytest.raises(edit.CannotEdit, match=r"data\.amount: "):
        edit.check(ORIGINAL, ORIGINAL, "payment.approved.v1")


@pytest.mark.parametrize("edited", [b"", b"[]", b"7", b"{", b"\xff"])
def test_edit_that_is_no_event_says_so(edited: bytes) -> None:
    with pytest.raises(edit.CannotEdit, match="not one event"):
        edit.check(ORIGINAL, edited, None)


def test_original_that_cannot_be_read_may_become_an_event_of_its_type() -> None:
    edit.check(b"\xff rubbish", paid(), "payment.approved.v1")
    with pytest.raises(edit.CannotEdit, match="type: stays"):
        edit.check(b"\xff rubbish", paid(), "order.ready.v1")


def test_fields_are_set_as_texts_where_they_were_texts() -> None:
    edited = json.loads(edit.assigned(ORIGINAL, ["data.amount=12", "data.new=3", "data.list=[1]"]))
    assert (edited["data"]["amount"], edited["data"]["new"], edited["data"]["list"]) == ("12", 3, [1])


def test_items_of_lists_are_set_by_their_number() -> None:
    original = json.dumps(event(data={"items": [{"quantity": 1}]})).encode()
    assert json.loads(edit.assigned(original, ["data.items.0.quantity=3"]))["data"]["items"] == [{"quantity": 3}]


@pytest.mark.parametrize("assignment", ["data.amount", "=3", "data.items.0=x", "data.amount.x=1", "nowhere.at.all=1"])
def test_field_that_cannot_be_set_says_so(assignment: str) -> None:
    with pytest.raises(edit.CannotEdit):
        edit.assigned(ORIGINAL, [assignment])


def test_difference_shows_the_lines_that_changed() -> None:
    said = edit.difference(ORIGINAL, paid())
    assert '-    "amount": "1,00"' in said
    assert '+    "amount": "1.00"' in said
