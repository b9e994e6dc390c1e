"""The suppliers' contract as one OpenAPI 3.1 document: what they post to the gateway, and what they must serve.

`paths` is the gateway's side, `webhooks` the supplier's: requests that the fleet makes below the supplier's `api_url`.
"""

from importlib.metadata import version
from typing import Any

import yaml
from pydantic.json_schema import models_json_schema

from schemas import supplier, supplier_api
from schemas.catalogue import GATEWAY, Entry, by_type, family_of
from schemas.model import Message, Model

HEADER = "# Written by `fleet schemas export`; do not edit.\n"
REF = "#/components/schemas/{model}"
CALLBACK = "/v1/suppliers/{supplier_id}/events"
SIGNED = (
    "Signed by HMAC-SHA256 over `<X-Fleet-Timestamp>.<body>` under a secret that both sides know "
    "(callbacks and requests may each have their own): "
    "`X-Fleet-Timestamp` is the unix time in seconds, `X-Fleet-Signature` is `v1=` and the digest in hexadecimal."
)
Node = dict[str, Any]

REQUESTS: tuple[tuple[str, str, str, type[Model]], ...] = (
    ("purchase-order", "POST {api_url}/purchase-orders", "A purchase order", supplier_api.PurchaseOrderBody),
    (
        "reminder",
        "POST {api_url}/purchase-orders/{number}/reminder",
        "Nothing was heard of a PO",
        supplier_api.ReminderBody,
    ),
    (
        "cancellation",
        "POST {api_url}/purchase-orders/{number}/cancellation",
        "Please cancel a PO",
        supplier_api.CancellationBody,
    ),
    ("invoice", "POST {api_url}/purchase-orders/{number}/invoice", "R, and the label", supplier_api.InvoiceBody),
)
"""Name, where it is sent, what it is, and its body."""


def document() -> str:
    """openapi-suppliers.yaml as it is written to the file."""
    return HEADER + yaml.safe_dump(structure(), sort_keys=False, allow_unicode=True, width=110)


def callbacks() -> list[Entry]:
    """What a supplier may say to the gateway, newest versions, by type."""
    said = [e for e in by_type().values() if e.kind == "inbound" and GATEWAY in e.producers and e.upcast is None]
    return sorted((e for e in said if e.model.__module__ == supplier.__name__ and _is_suppliers(e.model)), key=_type)


def structure() -> Node:
    entries = callbacks()
    models: list[type[Model]] = [model for _, _, _, model in REQUESTS]
    models += [supplier_api.NumberAnswer, *(entry.model for entry in entries)]
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dropfleet for suppliers",
            "version": version("dropfleet"),
            "description": "How a supplier takes purchase orders and reports what becomes of them. " + SIGNED,
        },
        "paths": {CALLBACK: {"parameters": [_parameter("supplier_id", "path")], "post": _callback(entries)}},
        "webhooks": {name: {"post": _request(where, what, model)} for name, where, what, model in REQUESTS},
        "components": {
            "schemas": {name: _without_id(node) for name, node in schemas["$defs"].items()},
            "responses": {"problem": _problem()},
        },
    }


def _callback(entries: list[Entry]) -> Node:
    described = "\n".join(f"* `{family_of(e.type)}`: {_first_line(e.model)}" for e in entries)
    return {
        "operationId": "report",
        "summary": "Say what happened",
        "description": f"{SIGNED}\n\n202 comes only when the event is stored; repeat it otherwise: it is the same "
        f"event by its `id`, or by its bytes. What may be said:\n\n{described}",
        "parameters": [_parameter("X-Fleet-Timestamp", "header"), _parameter("X-Fleet-Signature", "header")],
        "requestBody": _json({"oneOf": [_event(entry) for entry in entries]}),
        "responses": {
            "202": {"description": "Stored."},
            "401": {"$ref": "#/components/responses/problem"},
            "422": {"$ref": "#/components/responses/problem"},
            "503": {"$ref": "#/components/responses/problem"},
        },
    }


def _event(entry: Entry) -> Node:
    return {
        "title": family_of(entry.type),
        "type": "object",
        "required": ["type", "data"],
        "properties": {
            "id": {"type": "string", "description": "Your own id of this event; its repetition has the same."},
            "type": {"enum": [family_of(entry.type), entry.type]},
            "data": {"$ref": REF.format(model=entry.model.__name__)},
        },
    }


def _request(where: str, what: str, model: type[Model]) -> Node:
    return {
        "operationId": model.__name__.removesuffix("Body"),
        "summary": what,
        "description": f"`{where}`\n\n{(model.__doc__ or '').strip()}\n\n{SIGNED}",
        "parameters": [
            _parameter("Idempotency-Key", "header"),
            _parameter("X-Fleet-Timestamp", "header"),
            _parameter("X-Fleet-Signature", "header"),
        ],
        "requestBody": _json({"$ref": REF.format(model=model.__name__)}),
        "responses": {
            "200": {"description": "Taken.", **_content({"$ref": REF.format(model="NumberAnswer")})},
            "202": {
                "description": "Taken, and looked at later.",
                **_content({"$ref": REF.format(model="NumberAnswer")}),
            },
            "4XX": {"description": "Refused for good; the text is shown to an engineer."},
            "5XX": {"description": "Tried again later; 429 too, after its Retry-After."},
        },
    }


def _json(schema: Node) -> Node:
    return {"required": True, **_content(schema)}


def _content(schema: Node) -> Node:
    return {"content": {"application/json": {"schema": schema}}}


def _parameter(name: str, place: str) -> Node:
    return {"name": name, "in": place, "required": True, "schema": {"type": "string"}}


def _problem() -> Node:
    return {
        "description": "RFC 9457 problem details: what is wrong, and a JSON pointer to each wrong field.",
        "content": {"application/problem+json": {"schema": {"type": "object"}}},
    }


def _without_id(node: Node) -> Node:
    """A callback's supplier is the one of the path: the body need not repeat it."""
    required = [name for name in node.get("required", ()) if name != "supplier_id"]
    return {**node, "required": required} if required != node.get("required", []) else node


def _is_suppliers(model: type[Message]) -> bool:
    return "supplier_id" in model.model_fields


def _first_line(model: type[Message]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0] or "as its name says."


def _type(entry: Entry) -> str:
    return entry.type
