"""What dead letters are found by: the same cause is one group, and nothing that anybody wrote spoils it."""

import base64
import json
import traceback
from typing import Any

import pytest

from schemas.runtime import DeadLetterRecorded
from services.control_room.facts import facts_of, headline, query_of, words_of
from tests.unit.control_room.builders import event, letter


def of(said: Any, **changes: Any) -> DeadLetterRecorded:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return letter(body=base64.b64encode(raw).decode(), **changes)


def raised(error: BaseException) -> str:
    try:
        raise error
    except type(error):
        return traceback.format_exc()


class TwoLines(ValueError):
    def __str__(self) -> str:
        return "1 problem in Order\ndata.total\n  no money"


@pytest.mark.parametrize(
    ("reason", "error", "exception", "line"),
    [
        ("decision_raised", raised(KeyError("tax")), "KeyError", "KeyError: 'tax'"),
        ("decision_raised", raised(TwoLines()), "TwoLines", f"{__name__}.TwoLines: 1 problem in Order"),
        ("decision_raised", raised(AssertionError()), "AssertionError", "AssertionError"),
        ("database_refused", "NumericValueOutOfRangeError: too much", "NumericValueOutOfRangeError", None),
        ("refused", "placed_differently: the total was 1.00", "placed_differently", None),
        ("invalid", "data.items.12.unit_price: no money\ndata.total: no money", "data.items[].unit_price", None),
        ("invalid", "type is 'a' but the routing key is 'b'", None, None),
        ("undecodable", "not JSON: Expecting value", None, None),
        ("call_exhausted", "uncertain: timed out", "uncertain", None),
        ("call_exhausted", f"failed: {raised(OSError('x'))}", "OSError", "OSError: x"),
        ("decision_raised", "", None, ""),
    ],
)
def test_error_is_told_by_its_kind_and_one_line(reason: str, error: str, exception: str | None, line: str) -> None:
    facts = facts_of(letter(reason=reason, error=error))
    assert facts.exception == exception
    assert facts.error == (error.splitlines()[0] if line is None else line)


def test_same_cause_with_other_numbers_is_one_pattern() -> None:
    ids = ("5d0c0b9e-0000-4000-8000-000000000001", "77aa0b9e-1111-4000-8000-00000000000f")
    errors = [f"order {n} of {id} is late" for n, id in zip((17, 4), ids, strict=True)]
    assert {facts_of(letter(reason="refused", error=error)).pattern for error in errors} == {"order # of # is late"}


def test_parties_are_taken_from_data_then_from_who_sent_it() -> None:
    data = {"order_id": "ORD-9", "supplier_id": "farol-sul", "channel_id": "hub", "store_id": "shop"}
    facts = facts_of(of(event(data=data)))
    assert (facts.order_id, facts.supplier_id, facts.channel_id, facts.store_id) == (
        "ORD-9",
        "farol-sul",
        "hub",
        "shop",
    )
    said = facts_of(of(event(data={}), event_source="/partners/suppliers/farol-sul"))
    assert (said.supplier_id, said.channel_id) == ("farol-sul", None)
    call = facts_of(of({"po_number": "PC1"}, kind="call", reason="call_exhausted", event_source="supplier:farol-sul"))
    assert (call.supplier_id, call.event) == ("farol-sul", {"data": {"po_number": "PC1"}})
    queue = {"kind": "call", "reason": "call_exhausted", "event_source": "queue:hub"}
    assert facts_of(of({}, **queue, about={"channel_id": "hub"})).channel_id == "hub"


@pytest.mark.parametrize(
    ("data", "about", "order_id", "order_name"),
    [
        ({"order_id": "ORD-9", "po_number": "1042"}, {"order_id": "ORD-8"}, "ORD-9", None),
        ({"po_number": "1042"}, {"order_id": "ORD-8"}, "ORD-8", None),
        ({"po_number": "1042", "tracking_code": "BR1"}, {}, None, "po_number:1042"),
        ({"tracking_code": "BR1"}, {}, None, "tracking_code:BR1"),
        ({"po_number": "1042"}, {"access_key": "3526"}, None, "po_number:1042"),
        ({"xml": "<nfeProc/>"}, {"access_key": "3526"}, None, "access_key:3526"),
        ({"po_number": 7}, {"offer_id": "o"}, None, None),
    ],
)
def test_order_is_the_one_named_or_that_of_the_state_or_has_a_name_of_its_own(
    data: Any, about: dict[str, str], order_id: str | None, order_name: str | None
) -> None:
    facts = facts_of(of(event(data=data), about=about))
    assert (facts.order_id, facts.order_name) == (order_id, order_name)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff rubbish",
        b"[1, 2]",
        b'"text"',
        b"[" * 100_000,
        b'{"data": 7}',
        b'{"data": {"order_id": ["x"], "a\\u0000b": "\\ud800"}}',
        b'{"data": {"much": 1e999, "long": ' + b"9" * 400 + b"}}",
    ],
)
def test_whatever_a_body_says_becomes_facts_that_a_database_takes(body: bytes) -> None:
    facts = facts_of(of(body))
    assert facts.order_id is None
    text = json.dumps(facts.event, allow_nan=False) + " ".join(facts.words)
    assert "\\u0000" not in text
    assert "\0" not in text
    text.encode()


def test_readable_rubbish_is_found_by_its_words() -> None:
    assert "boleto" in facts_of(of(b"<xml>boleto vencido</xml>")).words


def test_words_are_found_from_each_of_their_parts_on() -> None:
    assert words_of('File "/app/billing/decide.py", (ORD-1)')[:4] == (
        "file",
        "/app/billing/decide.py",
        "app/billing/decide.py",
        "billing/decide.py",
    )
    assert {"ord-1", "1", "decide.py", "py"} <= set(words_of('File "/app/billing/decide.py", (ORD-1)'))


def test_long_texts_have_words_up_to_a_bound() -> None:
    assert len(words_of(" ".join(f"w{n}" for n in range(10_000)))) == 3_000
    assert max(map(len, words_of("x" * 10_000))) == 100


def test_query_is_quoted_whatever_is_in_it() -> None:
    assert query_of("it's C:\\new 'ORD-1'!") == "'it''s':* & 'c:\\\\new':* & 'ord-1':*"
    assert query_of(" .,; ") == ""


def test_headline_of_a_traceback_is_what_was_raised_and_not_what_it_says_last() -> None:
    assert headline(raised(TwoLines())).endswith("TwoLines: 1 problem in Order")
