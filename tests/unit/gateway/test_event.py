"""A partner's body becomes one CloudEvent, the same one each time, or a problem that points at the field."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import envelope
from schemas.billing import SupplierPaymentReported
from schemas.supplier import SupplierPoConfirmed
from services.gateway.event import outgoing
from services.gateway.partners import DOORS, Door
from services.gateway.problem import Problem

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUPPLIERS, CARRIERS, ERP, CHANNELS = DOORS


def confirmed(**changes: Any) -> dict[str, Any]:
    return {
        "id": "ev-1",
        "type": "supplier.po_confirmed",
        "data": {"po_number": "PC00000001", "confirmed_at": "2026-11-22T12:00:00-03:00"},
        **changes,
    }


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


def problem(content: Any, door: Door = SUPPLIERS, partner: str = "farol-sul") -> Problem:
    with pytest.raises(Problem) as raised:
        outgoing(door, partner, content if isinstance(content, bytes) else body(content), AT)
    return raised.value


def pointers(found: Problem) -> list[str]:
    return [fault.pointer for fault in found.faults]


def test_event_carries_the_partner_of_the_path_and_its_own_id() -> None:
    message = outgoing(SUPPLIERS, "farol-sul", body(confirmed()), AT)
    event = envelope.adapter(SupplierPoConfirmed).validate_json(message.body)
    assert (message.exchange, message.routing_key) == ("fleet.inbound", "supplier.po_confirmed.v1")
    assert message.content_type == "application/cloudevents+json"
    assert (event.source, event.id, event.subject) == ("/partners/suppliers/farol-sul", "ev-1", "PC00000001")
    assert event.data.supplier_id == "farol-sul"


def test_type_may_name_its_version() -> None:
    message = outgoing(SUPPLIERS, "farol-sul", body(confirmed(type="supplier.po_confirmed.v1")), AT)
    assert message.routing_key == "supplier.po_confirmed.v1"


def test_body_without_an_id_is_identified_by_its_hash() -> None:
    content = body({k: v for k, v in confirmed().items() if k != "id"})
    first, again = (json.loads(outgoing(SUPPLIERS, "farol-sul", content, AT).body) for _ in range(2))
    assert first["id"] == again["id"] == hashlib.sha256(content).hexdigest()


def test_repeated_body_has_another_message_id_of_its_own() -> None:
    first, again = (outgoing(SUPPLIERS, "farol-sul", body(confirmed()), AT) for _ in range(2))
    assert first.body == again.body
    assert first.message_id != again.message_id


def test_erp_has_one_source() -> None:
    data = {
        "payable_id": "pay-1",
        "outcome": "settled",
        "bank_reference": "PG1",
        "reported_at": "2026-11-22T12:00:00Z",
    }
    message = outgoing(ERP, "erp", body({"type": "supplier_payment.reported", "data": data}), AT)
    event = envelope.adapter(SupplierPaymentReported).validate_json(message.body)
    assert (event.source, event.subject) == ("/partners/erp", "pay-1")


def test_source_is_a_uri_reference() -> None:
    data = {"tracking_code": "BR1", "status": "delivered", "occurred_at": "2026-11-22T12:00:00Z"}
    message = outgoing(CARRIERS, "Rápido/Sul", body({"type": "carrier.reported", "data": data}), AT)
    assert json.loads(message.body)["source"] == "/partners/carriers/R%C3%A1pido%2FSul"


def test_body_may_repeat_the_partner() -> None:
    content = confirmed()
    content["data"]["supplier_id"] = "farol-sul"
    assert outgoing(SUPPLIERS, "farol-sul", body(content), AT)


def test_body_that_names_another_partner_is_refused() -> None:
    content = confirmed()
    content["data"]["supplier_id"] = "nova-era"
    found = problem(content)
    assert (found.status, pointers(found)) == (422, ["#/data/supplier_id"])


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b'{"id": NaN}', b"[" * 10_000, b'"\\ud800"'])
def test_body_that_is_not_json_is_a_bad_request(text: bytes) -> None:
    assert problem(text).status == 400


@pytest.mark.parametrize(
    ("content", "places"),
    [
        ([], ["#"]),
        ({}, ["#/type", "#/data"]),
        (confirmed(id=7), ["#/id"]),
        (confirmed(id="a\nb"), ["#/id"]),
        (confirmed(data=[]), ["#/data"]),
        (confirmed(more=1), ["#/more"]),
        (confirmed(type="order.placed"), ["#/type"]),
        (confirmed(type="supplier.po_confirmed.v9"), ["#/type"]),
        (confirmed(type="carrier.reported"), ["#/type"]),
        (confirmed(data={"po_number": "P", "confirmed_at": "yesterday"}), ["#/data/confirmed_at"]),
        (confirmed(data={"po_number": "", "confirmed_at": "2026-11-22T12:00:00Z"}), ["#/data/po_number"]),
        (confirmed(data={}), ["#/data/po_number", "#/data/confirmed_at"]),
        (confirmed(data={**confirmed()["data"], "a/b": 1}), ["#/data/a~1b"]),
    ],
)
def test_body_that_does_not_fit_is_refused_with_pointers(content: Any, places: list[str]) -> None:
    found = problem(content)
    assert (found.status, sorted(pointers(found))) == (422, sorted(places))


def test_character_that_no_database_takes_is_refused_wherever_it_is() -> None:
    data = confirmed()["data"] | {"reason": "a\0b", "lines": [{"line": 1}, {"reason": "\0"}]}
    found = problem(confirmed(data=data))
    assert (found.status, pointers(found)) == (422, ["#/data/reason", "#/data/lines/1/reason"])


def test_text_that_only_names_that_character_is_taken() -> None:
    data = {"po_number": "PC1", "reason": "\\u0000", "refused_at": "2026-11-22T12:00:00Z"}
    assert outgoing(SUPPLIERS, "farol-sul", body(confirmed(type="supplier.po_refused", data=data)), AT).body


def test_refusal_never_repeats_what_the_body_said() -> None:
    found = problem(confirmed(data={"po_number": "P", "confirmed_at": "529.982.247-25"}))
    text = found.response().text
    assert text is not None
    assert "529" not in text


def test_every_door_says_only_what_the_gateway_may_publish() -> None:
    for door in DOORS:
        for message in door.messages:
            entry = door.entry(message.TYPE)
            assert entry is not None
            assert "gateway" in entry.producers
            assert door.field is None or door.field in message.model_fields


@pytest.mark.parametrize("header", ["00-" + "0" * 32 + "-" + "1" * 16 + "-01", None, "junk\r\n"])
def test_traceparent_is_passed_on_only_when_it_is_one(header: str | None) -> None:
    event = json.loads(outgoing(SUPPLIERS, "farol-sul", body(confirmed()), AT, header).body)
    assert event.get("traceparent") == (header if header and header.startswith("00-") else None)
