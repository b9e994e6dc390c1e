"""Refusals as RFC 9457 problem details, with a JSON pointer (RFC 6901, as a URI fragment) to each wrong field.

https://www.rfc-editor.org/rfc/rfc9457.html
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web
from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a body. Never repeats what the body said there."""

    pointer: str
    detail: str
    code: str


class Problem(Exception):
    """A request that is refused, and why."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.faults = faults
        self.retry_after = retry_after

    def response(self) -> web.Response:
        body: dict[str, object] = {
            "type": f"urn:fleet:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.faults:
            body["errors"] = [{"pointer": f.pointer, "detail": f.detail, "code": f.code} for f in self.faults]
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        text = json.dumps(body, ensure_ascii=False)
        return web.Response(status=self.status, text=text, content_type="application/problem+json", headers=headers)


def pointer(*path: str | int) -> str:
    """The place of a field in the body.

    >>> pointer("data", "a/b", 0)
    '#/data/a~1b/0'
    """
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return "#" + "".join(f"/{quote(part, safe='~')}" for part in escaped)


def invalid(*faults: Fault) -> Problem:
    """422: the body does not say what the contract asks for."""
    places = ", ".join(fault.pointer for fault in faults[:5])
    return Problem(422, "invalid", "The event does not fit its schema", f"see {places}", faults=faults)


def violations(error: ValidationError, *under: str) -> Problem:
    """422 for what pydantic found, its places taken from `under` on."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return invalid(*(Fault(pointer(*under, *e["loc"]), e["msg"], e["type"]) for e in found))
