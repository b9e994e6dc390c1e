"""Two secrets of one supplier, under two names: ours for requests to it, its own for callbacks."""

from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from services.gateway import signature
from services.gateway.partners import DOORS
from services.po_dispatch.partners import hand_over_invoice
from services.po_dispatch.state import HandOverInvoice, SupplierAccess
from shared.partner.errors import Rejected
from shared.partner.operation import Attempt
from tests.unit.po_dispatch import builders as b

SECRETS = {"supplier:farol": SecretStr("theirs"), "supplier:farol-2026": SecretStr("ours")}
WINDOW = 300.0


async def handed_over(secret_ref: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of an R as the supplier gets them. Rejected: there is no such secret."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.json_response({"number": request.match_info["number"]})

    app = web.Application()
    app.router.add_post("/purchase-orders/{number}/invoice", take)
    async with TestServer(app) as server, ClientSession() as session:
        url = str(server.make_url("")).rstrip("/")
        access = SupplierAccess(supplier_id="farol", cnpj=b.company().cnpj, api_url=url, secret_ref=secret_ref)
        request = HandOverInvoice(po_id="po-1", number="PC1", supplier=access, invoice_key=b.key(), xml="PHg+")
        secrets: Any = SECRETS
        await hand_over_invoice(secrets, request, Attempt(session, "call-1", 1, b.NOW))
    return got[0]


async def test_our_requests_are_signed_under_secret_ref_and_callbacks_checked_under_the_suppliers_id() -> None:
    headers, body = await handed_over("farol-2026")
    now = float(headers["X-Fleet-Timestamp"])
    assert signature.flaw(headers, body, "ours", now, WINDOW) is None
    assert signature.flaw(headers, body, "theirs", now, WINDOW) is not None
    [door] = [door for door in DOORS if door.kind == "suppliers"]
    assert SECRETS[door.secret_name("farol")].get_secret_value() == "theirs"


async def test_request_under_a_name_that_has_no_secret_is_a_dead_letter_and_not_sent() -> None:
    with pytest.raises(Rejected, match="no supplier:farol-2025 for supplier farol"):
        await handed_over("farol-2025")
