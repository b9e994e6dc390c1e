"""The published contract: nothing that was published changes, and every message has an example that holds."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft202012Validator

from schemas import asyncapi, export, frozen
from schemas.catalogue import CATALOGUE, Entry
from schemas.catalogue import upcast as newest
from schemas.envelope import adapter, encode
from schemas.frozen import PUBLISHED, changes

PLACED = "order.placed.v2"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PUBLISHED, tmp_path / "published"))


def altered(change: Any) -> list[str]:
    """What the checker says when the model of order.placed.v2 had been published as `change` makes it."""
    now = frozen.current()
    before = copy.deepcopy(now)
    change(before[PLACED])
    return [f"{c} additive={c.additive}" for c in changes(before, now)]


def test_published_contract_agrees_with_the_code() -> None:
    assert export.check() == []


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_example_holds_for_model_schema_and_envelope(entry: Entry) -> None:
    raw = (export.EXAMPLES / f"{entry.type}.json").read_bytes()
    event = adapter(entry.model).validate_json(raw)
    content = json.loads(raw)
    schemas = frozen.load()
    Draft202012Validator(schemas["envelope"]).validate(content)
    Draft202012Validator(schemas[entry.type]).validate(content["data"])
    assert (event.type, event.subject) == (entry.type, event.data.subject)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_example_encoded_again_says_the_same(entry: Entry) -> None:
    event = adapter(entry.model).validate_json((export.EXAMPLES / f"{entry.type}.json").read_bytes())
    again = encode(event.data, id=event.id, source=event.source, time=event.time)
    assert adapter(entry.model).validate_json(again).data == event.data
    assert newest(event.data) is not None


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_field_that_may_be_none_may_be_left_out(entry: Entry) -> None:
    """Messages are encoded without their None fields."""
    nullable = {n: f for n, f in entry.model.model_fields.items() if type(None) in get_args(f.annotation)}
    assert [name for name, field in nullable.items() if field.is_required()] == []


def test_schemas_are_valid_json_schema() -> None:
    for schema in frozen.load().values():
        Draft202012Validator.check_schema(schema)


def test_removed_field_is_breaking_and_says_how_to_make_a_version(published: Path) -> None:
    path = published / f"{PLACED}.json"
    schema = json.loads(path.read_text())
    schema["properties"]["coupon"] = {"type": "string"}
    path.write_text(json.dumps(schema))
    (problem,) = export.check(published)
    assert problem.startswith(f"{PLACED}: data.coupon was removed; a published version never changes.")
    assert "order.placed.v3" in problem
    with pytest.raises(export.SchemaChanged, match=r"data\.coupon was removed"):
        export.export(published)
    assert path in export.export(published, force=True)
    assert export.check(published) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["properties"].pop("freight"), "data.freight is new additive=True"),
        (lambda s: (s["properties"].pop("total"), s["required"].remove("total")), "data.total is new and required"),
        (lambda s: s["required"].remove("total"), "data.total is now required"),
        (lambda s: s["required"].append("freight"), "data.freight is no longer required"),
        (lambda s: s["$defs"]["Item"]["properties"]["line"].update(maximum=10), "data.items[].line has maximum 990"),
        (lambda s: s["$defs"]["Item"]["properties"].pop("sku"), "data.items[].sku is new and required"),
        (lambda s: s["$defs"]["Address"]["properties"]["uf"]["enum"].pop(), "data.ship_to.uf has enum"),
        (lambda s: s["$defs"]["Customer"]["properties"]["phone"]["anyOf"][0].pop("pattern"), "data.customer.phone has"),
        (lambda s: s["properties"]["freight"].update(default="1.00"), 'data.freight has default "0.00" instead of'),
    ],
)
def test_changed_schema_is_told_with_its_place(change: Any, said: str) -> None:
    (found,) = altered(change)
    assert f"{PLACED}: {said}" in found
    assert ("additive=True" in found) == ("is new additive" in said)


def test_new_words_in_a_schema_change_nothing() -> None:
    assert altered(lambda s: s.update(description="other words", title="Other")) == []


def test_message_that_disappeared_is_breaking(published: Path) -> None:
    shutil.copy(published / f"{PLACED}.json", published / "order.sung.v1.json")
    assert any("order.sung.v1: the message was removed" in problem for problem in export.check(published))


def test_unpublished_message_says_to_export(published: Path) -> None:
    (published / f"{PLACED}.json").unlink()
    assert export.check(published) == [f"{PLACED}: is not published yet; run `fleet schemas export`"]
    assert export.export(published) == [published / f"{PLACED}.json"]


def test_stale_asyncapi_document_is_found(published: Path) -> None:
    (published / "asyncapi.yaml").write_text("asyncapi: 3.0.0\n")
    assert export.check(published) == ["asyncapi.yaml: is not what the catalogue says; run `fleet schemas export`"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: e["data"]["items"][0].update(quantity=0), "data.items[0].quantity: Input should be greater"),
        (lambda e: e.update(subject="another"), "type and subject must be order.placed.v2 and "),
        (lambda e: e["data"].update(surprise=1), "data.surprise: Extra inputs are not permitted"),
        (lambda e: e.pop("id"), "id: Field required"),
    ],
)
def test_broken_example_is_told_with_its_place(tmp_path: Path, change: Any, said: str) -> None:
    event = json.loads((export.EXAMPLES / f"{PLACED}.json").read_text())
    change(event)
    (tmp_path / f"{PLACED}.json").write_text(json.dumps(event))
    entry = next(e for e in CATALOGUE if e.type == PLACED)
    (problem,) = export.example_problems(entry, frozen.current()[PLACED], tmp_path)
    assert said in problem


def test_message_without_an_example_is_told(tmp_path: Path) -> None:
    (problem,) = export.example_problems(CATALOGUE[0], {}, tmp_path)
    assert problem == "order.placed.v1: has no example; write one event to schemas/examples/order.placed.v1.json"


def test_asyncapi_document_is_well_formed_and_its_references_lead_somewhere() -> None:
    document = yaml.safe_load((PUBLISHED / "asyncapi.yaml").read_text())
    ApplicationSchema.model_validate(document)
    for reference in references(document):
        file, _, pointer = reference.partition("#")
        target = document if not file else json.loads((PUBLISHED / file).read_text())
        for part in filter(None, pointer.split("/")):
            target = target[part]


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for value in node.values() for found in references(value)]


def test_asyncapi_document_names_every_message_with_a_sender_and_a_receiver() -> None:
    operations = asyncapi.structure()["operations"].values()
    for action in ("send", "receive"):
        named = {m["$ref"].rpartition("/")[2] for o in operations if o["action"] == action for m in o["messages"]}
        assert named == {entry.type for entry in CATALOGUE}
