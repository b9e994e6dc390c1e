"""The sandbox's Mercado Livre: takes the NF's XML of a shipment, makes the label, carries the parcel, reports both.

| request                                       | answer                     | effect `operation`, key         |
| --------------------------------------------- | -------------------------- | ------------------------------- |
| POST /shipments/{id}/invoice_data/?siteId=MLB | 201; 400 with an API error | `invoice_data`, `<id>/<NF key>` |
| GET /shipments/{id}                           | 200, 404 before its NF     |                                 |

Here a shipment has the id of its order: the demo's upstream publishes orders itself, so nothing else tells the
marketplace which order a shipment belongs to. After the NF it reports `label_ready` with the label, and once the
supplier has handed the parcel over, `delivered`.
"""

import asyncio
import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from lxml import etree

from deploy.local.partners.sandbox import Sandbox

NAME = "mercado-livre"
"""Also the channel's id: whose events these are, and whose secret signs them."""
_NFE = {"nfe": "http://www.portalfiscal.inf.br/nfe"}


@dataclass(slots=True)
class MercadoLivre:
    sandbox: Sandbox
    shipments: dict[str, str] = field(default_factory=dict)
    """NF key by shipment"""
    fiscal_keys: dict[str, str] = field(default_factory=dict)
    """shipment by NF key"""

    async def invoice_data(self, request: web.Request) -> web.Response:
        _authorise(self.sandbox, request)
        shipment = request.match_info["id"]
        if request.query.get("siteId") != "MLB":
            return _error("invalid_site", "siteId must be MLB")
        key, status = _read(await request.read())
        if key is None:
            return _error("invalid_nfe_xml", "not an nfeProc with a protNFe")
        if status not in ("100", "150"):
            return _error("invalid_nfe_cstat", f"cStat {status}")
        if self.fiscal_keys.get(key, shipment) != shipment:
            return _error("duplicated_fiscal_key", f"{key} belongs to shipment {self.fiscal_keys[key]}")
        known = self.shipments.get(shipment)
        answer = self.sandbox.once(
            NAME, "invoice_data", f"{shipment}/{known or key}", shipment, lambda: self._save(shipment, key)
        )
        if known is not None:
            return _error("shipment_invoice_already_saved", f"shipment {shipment} has an invoice")
        return web.json_response(answer, status=201)

    async def show(self, request: web.Request) -> web.Response:
        _authorise(self.sandbox, request)
        shipment = request.match_info["id"]
        if (key := self.shipments.get(shipment)) is None:
            return web.json_response({"error": "not_found"}, status=404)
        return web.json_response({"id": shipment, "site_id": "MLB", "invoice": {"fiscal_key": key}})

    def _save(self, shipment: str, key: str) -> dict[str, str]:
        self.shipments[shipment], self.fiscal_keys[key] = key, shipment
        self.sandbox.later(self._make_label(shipment))
        return {"id": shipment, "fiscal_key": key}

    async def _make_label(self, shipment: str) -> None:
        await asyncio.sleep(self.sandbox.pace)
        tracking_code = f"MEL{hashlib.sha256(shipment.encode()).hexdigest()[:12].upper()}"

        async def carry() -> None:
            await asyncio.sleep(self.sandbox.pace)
            await self._report(shipment, "delivered")

        self.sandbox.labelled(tracking_code, carry)
        await self._report(shipment, "label_ready", label=_label(shipment, tracking_code))

    async def _report(self, shipment: str, status: str, **more: Any) -> None:
        data = {"channel_order_code": shipment, "status": status, "occurred_at": datetime.now(UTC).isoformat(), **more}
        body = {"id": f"{shipment}-{status}", "type": "channel.order_reported", "data": data}
        await self.sandbox.call_back(f"/v1/channels/{NAME}/events", NAME, body)


def _label(shipment: str, tracking_code: str) -> dict[str, str]:
    zpl = f"^XA^FO40,40^FDMercado Envios {shipment}^FS^FO40,120^BCN,100^FD{tracking_code}^FS^XZ"
    return {
        "carrier": "Mercado Envios",
        "tracking_code": tracking_code,
        "tracking_url": f"https://rastreio.example.com/{tracking_code}",
        "content_type": "application/zpl",
        "content": b64encode(zpl.encode()).decode(),
    }


def _read(xml: bytes) -> tuple[str | None, str | None]:
    """Access key and cStat of an nfeProc's protocol."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError:
        return None, None
    return (
        root.findtext("nfe:protNFe/nfe:infProt/nfe:chNFe", namespaces=_NFE),
        root.findtext("nfe:protNFe/nfe:infProt/nfe:cStat", namespaces=_NFE),
    )


def _error(error: str, message: str) -> web.Response:
    return web.json_response({"error": error, "message": message, "status": 400}, status=400)


def _authorise(sandbox: Sandbox, request: web.Request) -> None:
    if request.headers.get("Authorization") not in {f"Bearer {secret}" for secret in sandbox.secrets.values()}:
        raise web.HTTPUnauthorized(text="unknown token")


def create_app(sandbox: Sandbox) -> web.Application:
    marketplace = MercadoLivre(sandbox)
    app = web.Application(middlewares=[sandbox.middleware(NAME)], client_max_size=8 * 1024 * 1024)
    app.add_routes(
        [
            web.post("/shipments/{id}/invoice_data/", marketplace.invoice_data),
            web.get("/shipments/{id}", marketplace.show),
        ]
    )
    return app
