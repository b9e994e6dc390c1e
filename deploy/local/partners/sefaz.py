"""The sandbox's SEFAZ: authorises NF-e one by one, cancels them, and tells what it knows of a key.

| request               | answer                                                                                    |
| --------------------- | ----------------------------------------------------------------------------------------- |
| POST /autorizacao     | 200 `retEnviNFe` with `protNFe`: 100 authorised, 204 known key, 539 known number, others  |
| POST /evento          | 200 `retEnvEvento` with `retEvento`: 135 cancelled, 573 known, 501 too late, others       |
| GET /consulta/{chave} | 200 `retConsSitNFe` with `protNFe` (100; 101 and `procEventoNFe`), or 217 unknown         |

Effects: operations `autorizacao` and `cancelamento`; key and idempotency key are the access key. It is strict on
purpose: what `nfe_authority` looks at, plus that no number is used twice.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

from aiohttp import web
from lxml import etree

from deploy.local.partners.event_authority import cancellation_claim, event_answer, event_objection
from deploy.local.partners.nfe_authority import APPLICATION, Rejection, authorise, protocol_number
from deploy.local.partners.sandbox import Sandbox
from services.billing.document_fields import Protocol
from services.billing.nfe_signature import NAMESPACE, protocol_xml

BRASILIA = timezone(timedelta(hours=-3))
_DEFAULT: Any = {None: NAMESPACE}
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


@dataclass(slots=True)
class Sefaz:
    """What was authorised. Protocol numbers go on from the clock, so that a new start does not repeat them."""

    sandbox: Sandbox
    protocols: dict[str, Protocol] = field(default_factory=dict)
    """by access key"""
    numbers: dict[str, str] = field(default_factory=dict)
    """access key by the part of it that says issuer, series and number"""
    cancellations: dict[str, bytes] = field(default_factory=dict)
    """retEvento by access key"""
    cancel_within: timedelta = timedelta(hours=24)
    sequence: "count[int]" = field(default_factory=lambda: count(int(time.time() * 100) % 10**9))

    async def authorise(self, request: web.Request) -> web.Response:
        return _xml("retEnviNFe", "104", "Lote processado", self.verdict(await request.read()))

    async def consult(self, request: web.Request) -> web.Response:
        key = request.match_info["chave"]
        protocol, event = self.protocols.get(key), self.cancellations.get(key)
        if protocol is None:
            return _xml("retConsSitNFe", "217", "Rejeicao: NF-e nao consta na base de dados da SEFAZ", b"")
        if event is None:
            return _xml("retConsSitNFe", protocol.status, protocol.reason, protocol_xml(protocol))
        known = protocol_xml(protocol) + b"<procEventoNFe>" + event + b"</procEventoNFe>"
        return _xml("retConsSitNFe", "101", "Cancelamento de NF-e homologado", known)

    async def register(self, request: web.Request) -> web.Response:
        return _xml("retEnvEvento", "128", "Lote de Evento Processado", self.event_verdict(await request.read()))

    def event_verdict(self, batch: bytes) -> bytes:
        """`retEvento` on the one event of a batch; only a cancellation (110111) is known here."""
        now = datetime.now(BRASILIA).replace(microsecond=0)
        claim = cancellation_claim(batch)
        if isinstance(claim, Rejection):
            return event_answer(claim.status, claim.reason, claim.access_key or "", now)
        protocol, key = self.protocols.get(claim.access_key), claim.access_key
        if key in self.cancellations:
            return event_answer("573", "Rejeicao: Duplicidade de Evento", key, now)
        objection = event_objection(claim, protocol, now, self.cancel_within)
        if objection is not None:
            return event_answer(*objection, key, now)
        number = protocol_number(key[:2], now, next(self.sequence))
        self.sandbox.once("sefaz", "cancelamento", key, key, lambda: number)
        self.cancellations[key] = event_answer("135", "Evento registrado e vinculado a NF-e", key, now, number)
        return self.cancellations[key]

    def verdict(self, signed: bytes) -> bytes:
        """`protNFe` on one signed NF-e."""
        now = datetime.now(BRASILIA).replace(microsecond=0)
        key = _key(signed)
        if (known := self.protocols.get(key)) is not None:
            reason = f"Rejeicao: Duplicidade de NF-e [nProt:{known.number}]"
            return _rejection(Rejection("204", reason, key), now)
        if (other := self.numbers.get(_number(key))) is not None:
            reason = f"Rejeicao: Duplicidade de NF-e com diferenca na Chave de Acesso [chNFe:{other}]"
            return _rejection(Rejection("539", reason, key), now)
        number = protocol_number(key[:2] or "35", now, next(self.sequence))
        decided = authorise(signed, received_at=now, protocol_number=number)
        if isinstance(decided, Rejection):
            return _rejection(decided, now)
        self.sandbox.once("sefaz", "autorizacao", key, key, lambda: number)
        self.protocols[key], self.numbers[_number(key)] = decided, key
        return protocol_xml(decided)


def create_app(sandbox: Sandbox) -> web.Application:
    sefaz = Sefaz(sandbox)
    app = web.Application(middlewares=[sandbox.middleware("sefaz")], client_max_size=2 * 1024 * 1024)
    app.add_routes(
        [
            web.post("/autorizacao", sefaz.authorise),
            web.post("/evento", sefaz.register),
            web.get("/consulta/{chave}", sefaz.consult),
        ]
    )
    return app


def _key(signed: bytes) -> str:
    """The access key that a document claims; empty where it cannot be read."""
    try:
        inf = etree.fromstring(signed, _PARSER).find(f"{{{NAMESPACE}}}infNFe")
    except etree.XMLSyntaxError:
        return ""
    return "" if inf is None else (inf.get("Id") or "").removeprefix("NFe")


def _number(key: str) -> str:
    """Issuer, model, series and number: characters 7 to 34 of the key."""
    return key[6:34]


def _rejection(rejection: Rejection, at: datetime) -> bytes:
    root = etree.Element(f"{{{NAMESPACE}}}protNFe", {"versao": "4.00"}, nsmap=_DEFAULT)
    inf = etree.SubElement(root, f"{{{NAMESPACE}}}infProt")
    key = {"chNFe": rejection.access_key} if rejection.access_key else {}
    fields = {"tpAmb": "1", "verAplic": APPLICATION, **key, "dhRecbto": at.isoformat()}
    for name, text in {**fields, "cStat": rejection.status, "xMotivo": rejection.reason}.items():
        etree.SubElement(inf, f"{{{NAMESPACE}}}{name}").text = text
    return etree.tostring(root)


def _xml(name: str, status: str, reason: str, protocol: bytes) -> web.Response:
    head = (
        f'<{name} xmlns="{NAMESPACE}" versao="4.00"><tpAmb>1</tpAmb><verAplic>{APPLICATION}</verAplic>'
        f"<cStat>{status}</cStat><xMotivo>{reason}</xMotivo>"
    )
    return web.Response(body=head.encode() + protocol + f"</{name}>".encode(), content_type="application/xml")
