"""The suppliers' contract as a page that people read and as the document that programs read. Needs no secret."""

import html
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from aiohttp import web

from schemas import openapi

Node = Mapping[str, Any]
PAGE, DOCUMENT = "/docs/suppliers", "/docs/suppliers/openapi.json"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "code,pre{font-family:ui-monospace,monospace;background:#f4f4f4}pre{padding:.8rem;overflow:auto}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #ddd;padding:.3rem .6rem;text-align:left;"
    "vertical-align:top}h2{margin-top:2.5rem;border-top:1px solid #ddd;padding-top:1rem}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}code,pre{background:#262626}}"
)


def add_pages(app: web.Application) -> None:
    app.router.add_get(PAGE, show_page, name="docs")
    app.router.add_get(DOCUMENT, show_document, name="openapi")


async def show_page(request: web.Request) -> web.Response:
    return web.Response(text=page(), content_type="text/html")


async def show_document(request: web.Request) -> web.Response:
    return web.Response(text=document(), content_type="application/json")


@cache
def document() -> str:
    return json.dumps(openapi.structure(), indent=2, ensure_ascii=False)


@cache
def page() -> str:
    """The same document as HTML, without scripts: one section a request, then every object with its fields."""
    known = openapi.structure()
    info = known["info"]
    return "".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{_text(info['title'])}</title>",
            f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>",
            f"<h1>{_text(info['title'])} {_text(info['version'])}</h1>{_prose(info['description'])}",
            f"<p>For programs: <a href='{DOCUMENT}'>OpenAPI 3.1</a></p>",
            "<h2>What you post to us</h2>",
            *(_operation(f"POST {path}", item["post"]) for path, item in known["paths"].items()),
            "<h2>What we post to you</h2>",
            *(_operation(name, item["post"]) for name, item in known["webhooks"].items()),
            "<h2>Objects</h2>",
            *_objects(known["components"]["schemas"]),
            "</html>",
        ]
    )


def _operation(name: str, operation: Node) -> str:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    bodies = ", ".join(_kind(one) for one in schema.get("oneOf", [schema]))
    headers = ", ".join(f"<code>{_text(p['name'])}</code>" for p in operation["parameters"])
    return (
        f"<h3>{_text(operation['summary'])}</h3><p><code>{_text(name)}</code></p>{_prose(operation['description'])}"
        f"<p>Headers: {headers}</p><p>Body: {bodies}</p>"
    )


def _objects(schemas: Node) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        yield f"<h3 id='{_text(name)}'>{_text(name)}</h3>{_prose(schema.get('description', ''))}"
        fields = schema.get("properties", {})
        if fields:
            rows = (_row(field, node, field in schema.get("required", ())) for field, node in fields.items())
            yield f"<table><tr><th>Field<th>Type<th>Needed<th></tr>{''.join(rows)}</table>"


def _row(field: str, node: Node, needed: bool) -> str:
    said = node.get("description", "")
    rules = [
        f"{rule} {node[rule]}" for rule in ("pattern", "minimum", "maximum", "maxLength", "format") if rule in node
    ]
    told = _prose(said) + (f"<small>{_text(', '.join(rules))}</small>" if rules else "")
    return f"<tr><td><code>{_text(field)}</code><td>{_kind(node)}<td>{'yes' if needed else ''}<td>{told}</tr>"


def _kind(node: Node) -> str:
    """A schema's type in a word, with a link where it is an object of ours."""
    if reference := node.get("$ref"):
        name = str(reference).rpartition("/")[2]
        return f"<a href='#{_text(name)}'>{_text(name)}</a>"
    if "anyOf" in node:
        return " or ".join(_kind(one) for one in node["anyOf"] if one.get("type") != "null")
    if "enum" in node:
        return " or ".join(f"<code>{_text(str(one))}</code>" for one in node["enum"])
    if node.get("type") == "array":
        return f"list of {_kind(node.get('items', {}))}"
    if data := node.get("properties", {}).get("data"):
        return f"<code>{_text(node['title'])}</code> with {_kind(data)}"
    return _text(str(node.get("const", node.get("type", "any"))))


def _prose(text: str) -> str:
    """Paragraphs, lists and `code` of a docstring."""
    blocks = []
    for block in filter(None, text.split("\n\n")):
        lines = block.splitlines()
        if all(line.startswith("* ") for line in lines):
            blocks.append("<ul>" + "".join(f"<li>{_inline(line[2:])}" for line in lines) + "</ul>")
        else:
            blocks.append(f"<p>{_inline(' '.join(lines))}</p>")
    return "".join(blocks)


def _inline(text: str) -> str:
    parts = text.split("`")
    return "".join(f"<code>{_text(p)}</code>" if n % 2 else _text(p) for n, p in enumerate(parts))


def _text(text: str) -> str:
    return html.escape(text)
