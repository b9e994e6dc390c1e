"""Who po_dispatch deals with, over real HTTP: the sandbox's suppliers, and a gateway that collects what they say."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import unused_port

from deploy.local import world
from deploy.local.partners import suppliers
from deploy.local.partners.certificate import Certificate, self_signed
from deploy.local.partners.documents import Issuing, SoldLine, supplier_sale_nf
from deploy.local.partners.sandbox import Sandbox
from deploy.local.world_data import SELLER, SUPPLIERS
from services.nf_reconciliation.document import read
from services.nf_reconciliation.document_fields import Document
from shared.partner.operation import Attempt

SECRETS = {name: f"secret of {name}" for name in world.PARTNERS_WITH_SECRETS}
BRASILIA = timezone(timedelta(hours=-3))


@dataclass
class Parties:
    """`base_url` is the sandbox's; `heard` what the gateway was told: (path, body)."""

    base_url: str
    sandbox: Sandbox
    session: aiohttp.ClientSession
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def types(self, path: str = "/v1/") -> list[str]:
        return [body["type"] for at, body in self.heard if at.startswith(path)]

    def documents(self) -> list[Document]:
        """The notas fiscais posted so far, read as nf_reconciliation reads them."""
        found = []
        for _, body in self.heard:
            if body["type"] == "supplier.nf_issued":
                document = read(base64.b64decode(body["data"]["xml"]))
                assert isinstance(document, Document), document
                found.append(document)
        return found

    def attempt(self, call_id: str) -> Attempt:
        return Attempt(self.session, call_id, 1, datetime.now(UTC))


Forward = Callable[[str, dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def parties(erp: web.Application | None = None, forward: Forward | None = None) -> AsyncIterator[Parties]:
    """The sandbox's suppliers at `/suppliers`, `erp` at `/erp`, and a gateway that hands on what it hears."""
    port = unused_port()
    base_url = f"http://127.0.0.1:{port}"
    sandbox = Sandbox(base_url, SECRETS, pace=0.0)
    async with aiohttp.ClientSession() as session:
        them = Parties(base_url, sandbox, session)

        async def hear(request: web.Request) -> web.Response:
            body = await request.json()
            them.heard.append((request.path, body))
            if forward is not None:
                await forward(request.path, body)
            return web.Response(status=202)

        app = web.Application()
        app.add_subapp("/suppliers", suppliers.create_app(sandbox))
        if erp is not None:
            app.add_subapp("/erp", erp)
        app.router.add_post("/v1/{tail:.*}", hear)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield them
        finally:
            await sandbox.close()
            await runner.cleanup()


@cache
def _certificate() -> Certificate:
    return self_signed(SELLER.name, SELLER.cnpj)


def seller_nf(number: int = 1) -> tuple[str, str]:
    """Key and base64 XML of an authorised NF of the seller: enough of an R for a supplier, who looks at both and at the
    issuer."""
    issuing = Issuing(SELLER, _certificate(), 1, number, datetime.now(BRASILIA).replace(microsecond=0))
    line = SoldLine("X", 1, "A", "Part", "87083090", Decimal(1), Decimal("20.00"))
    xml = supplier_sale_nf(issuing, SUPPLIERS[0].company, [line], delivery_uf="SP")
    document = read(xml)
    assert isinstance(document, Document)
    return document.access_key, base64.b64encode(xml).decode()
