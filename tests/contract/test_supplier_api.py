"""The suppliers' contract: the OpenAPI document holds together, and says what the gateway and the messages say."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import openapi
from schemas.catalogue import Entry, by_type
from schemas.export import EXAMPLES
from services.gateway.pages import page
from services.gateway.partners import DOORS

KNOWN = openapi.structure()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        for value in node.values():
            yield from references(value)
    if isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere() -> None:
    for reference in references(KNOWN):
        node: Any = KNOWN
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        assert node, reference


def test_document_tells_all_that_a_supplier_may_say_at_the_gateway_and_nothing_else() -> None:
    suppliers = next(door for door in DOORS if door.kind == "suppliers")
    assert {entry.model for entry in openapi.callbacks()} == set(suppliers.messages)
    assert suppliers.path.replace("{partner}", "{supplier_id}") == openapi.CALLBACK


@pytest.mark.parametrize("entry", openapi.callbacks(), ids=lambda entry: entry.type)
def test_example_of_a_callback_fits_the_document(entry: Entry) -> None:
    data = json.loads((EXAMPLES / f"{entry.type}.json").read_text())["data"]
    body = KNOWN["paths"][openapi.CALLBACK]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**body, "components": KNOWN["components"]})
    validator.validate({"type": entry.type, "data": data})
    without_id = {name: value for name, value in data.items() if name != "supplier_id"}
    validator.validate({"type": entry.type.rpartition(".")[0], "data": without_id})


def test_what_is_in_a_parcel_may_be_said_and_is_explained() -> None:
    shipped = KNOWN["components"]["schemas"]["SupplierShipped"]
    assert "lines" in shipped["properties"]
    assert "lines" not in shipped["required"]
    assert "A parcel without `lines` holds everything of" in shipped["description"]
    assert "So much of a line of the PO" in page()


def test_page_shows_every_callback_every_request_and_every_field() -> None:
    shown = page()
    for entry in openapi.callbacks():
        assert entry.type.rpartition(".")[0] in shown
    for _, where, _, model in openapi.REQUESTS:
        assert where in shown
        assert all(f"<code>{field}</code>" in shown for field in model.model_fields)
    assert "<script" not in shown
    assert len(by_type()) > len(openapi.callbacks())
