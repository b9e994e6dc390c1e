"""SEFAZ and the ERP: the only place that knows how they call things.

SEFAZ is asked for the key before R is sent again: what it knows already it rejects (204).
"""

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import xmlsec
from lxml import etree

from services.billing.document_fields import InvoiceDocument, Protocol
from services.billing.nfe import NAMESPACE, build
from services.billing.nfe_event import CANCELLATION, batch, cancellation
from services.billing.nfe_signature import digest_value, sign, with_protocol
from services.billing.requests import (
    AuthoriseInvoice,
    CancelInvoice,
    CancellationAnswered,
    DispatchMarked,
    MarkDispatched,
    OrderRefund,
    OrderSupplierPayment,
    RefundTaken,
    SefazAnswered,
    SupplierPaymentTaken,
)
from services.billing.settings import Settings
from shared.partner.errors import Rejected, Unavailable, Uncertain
from shared.partner.http import Reply, request
from shared.partner.operation import Attempt, Operation, Policy

SEFAZ = Policy(timeout=15.0, concurrency=4, uncertain="query")
ERP = Policy(timeout=10.0, concurrency=8, uncertain="resend")

AUTHORISED = ("100", "150")
DUPLICATE = "204"
NOT_FOUND = "217"
PROCESSING = ("103", "105")
STOPPED = ("108", "109")
"""SEFAZ is out of service, for a while or without an end in sight."""
EVENT_REGISTERED = ("101", "135", "136", "151", "155")
"""The event holds: registered, bound to the NF-e or not yet, in time or after it."""
EVENT_DUPLICATE = "573"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


@dataclass(frozen=True, slots=True)
class Sefaz:
    """An issuer at one SEFAZ, with the key that signs."""

    url: str
    environment: str
    key_pem: bytes
    cert_pem: bytes

    async def authorise(self, asked: AuthoriseInvoice, attempt: Attempt) -> SefazAnswered:
        """Builds, signs and sends R. Raises Unavailable, Uncertain, Rejected."""
        signed = self._signed(asked.document)
        headers = {"Content-Type": "application/xml"}
        reply = await request(attempt, "POST", f"{self.url}/autorizacao", data=signed, headers=headers)
        status, reason, protocol = _verdict(reply.expect(200), asked.document.access_key)
        if status == DUPLICATE:
            return await self.find(asked, attempt) or _rejected(status, reason)
        return _answer(signed, status, reason, protocol)

    async def find(self, asked: AuthoriseInvoice, attempt: Attempt) -> SefazAnswered | None:
        """What SEFAZ knows of the key; None where it knows nothing. Raises Unavailable, Uncertain, Rejected."""
        key = asked.document.access_key
        reply = await request(attempt, "GET", f"{self.url}/consulta/{key}")
        status, reason, protocol = _verdict(reply.expect(200), key)
        if status == NOT_FOUND:
            return None
        return _answer(self._signed(asked.document), status, reason, protocol)

    async def cancel(self, asked: CancelInvoice, attempt: Attempt) -> CancellationAnswered:
        """Builds, signs and sends the event. Raises Unavailable, Uncertain, Rejected."""
        event = self._signed_event(asked)
        headers = {"Content-Type": "application/xml"}
        reply = await request(attempt, "POST", f"{self.url}/evento", data=batch(event, 1), headers=headers)
        answer = _event_verdict(reply.expect(200), asked.access_key)
        if answer is None:
            raise Rejected(f"SEFAZ's answer is about no event: {reply.body[:500].decode(errors='replace')}")
        if answer.code == EVENT_DUPLICATE:
            return await self.find_cancellation(asked, attempt) or answer
        return answer

    async def find_cancellation(self, asked: CancelInvoice, attempt: Attempt) -> CancellationAnswered | None:
        """The event that SEFAZ knows of the key; None where it knows none. Raises Unavailable, Uncertain, Rejected."""
        reply = await request(attempt, "GET", f"{self.url}/consulta/{asked.access_key}")
        return _event_verdict(reply.expect(200), asked.access_key)

    def _signed_event(self, asked: CancelInvoice) -> bytes:
        try:
            event = cancellation(asked.access_key, asked.protocol, asked.reason, asked.at, self.environment)
            return sign(event, self.key_pem, self.cert_pem)
        except (ValueError, xmlsec.Error) as error:
            raise Rejected(f"the cancellation of {asked.access_key} cannot be written: {error}") from error

    def _signed(self, document: InvoiceDocument) -> bytes:
        try:
            xml = build(document.model_copy(update={"environment": self.environment}))
            return sign(xml, self.key_pem, self.cert_pem)
        except (ValueError, xmlsec.Error) as error:
            raise Rejected(f"R {document.access_key} cannot be written: {error}") from error


@dataclass(frozen=True, slots=True)
class Erp:
    url: str

    async def mark_dispatched(self, asked: MarkDispatched, attempt: Attempt) -> DispatchMarked:
        """Raises Unavailable, Uncertain, Rejected (it does not know the order)."""
        url = f"{self.url}/pedidos-venda/{quote(asked.erp_order_number, safe='')}/situacao"
        key = {"chave_nfe": asked.access_key} if asked.access_key else {}
        reply = await request(attempt, "POST", url, json={"situacao": "despachado", **key})
        return DispatchMarked(status=_text(reply, 200, "situacao"))

    async def order_payment(self, asked: OrderSupplierPayment, attempt: Attempt) -> SupplierPaymentTaken:
        """Raises Unavailable, Uncertain, Rejected."""
        body = {
            "referencia": asked.payable_id,
            "favorecido_cnpj": asked.supplier_cnpj,
            "valor": str(asked.amount),
            "vencimento": asked.due.date().isoformat(),
        }
        reply = await request(attempt, "POST", f"{self.url}/pagamentos", json=body)
        return SupplierPaymentTaken(erp_number=_text(reply, 202, "pagamento"))

    async def order_refund(self, asked: OrderRefund, attempt: Attempt) -> RefundTaken:
        """Raises Unavailable, Uncertain, Rejected."""
        body = {
            "referencia": asked.refund_id,
            "pedido_externo": asked.order_id,
            "pagamento": asked.payment_id,
            "forma": asked.method,
            "valor": str(asked.amount),
        }
        reply = await request(attempt, "POST", f"{self.url}/estornos", json=body)
        return RefundTaken(erp_number=_text(reply, 202, "estorno"))


def operations(settings: Settings) -> tuple[Operation, ...]:
    """Reads the signing key. Raises OSError where it cannot be read."""
    sefaz = Sefaz(
        settings.sefaz_url.rstrip("/"),
        settings.sefaz_environment,
        settings.signing_key_file.read_bytes(),
        settings.signing_cert_file.read_bytes(),
    )
    erp = Erp(settings.erp_url.rstrip("/"))
    return (
        Operation(AuthoriseInvoice, sefaz.authorise, SEFAZ, query=sefaz.find),
        Operation(CancelInvoice, sefaz.cancel, SEFAZ, query=sefaz.find_cancellation),
        Operation(MarkDispatched, erp.mark_dispatched, ERP),
        Operation(OrderSupplierPayment, erp.order_payment, ERP),
        Operation(OrderRefund, erp.order_refund, ERP),
    )


def _verdict(reply: Reply, key: str) -> tuple[str, str, Protocol | None]:
    """cStat, xMotivo and the protocol where SEFAZ authorised; what protNFe says goes before what its envelope says."""
    root = _xml(reply)
    found = root.find(f".//{{{NAMESPACE}}}infProt")
    said = root if found is None else found
    fields = {element.tag.rpartition("}")[2]: element.text or "" for element in said if isinstance(element.tag, str)}
    status, reason = fields.get("cStat", ""), fields.get("xMotivo", "")
    _raise_unless_decided(status, reason)
    if not status or fields.get("chNFe", key) != key:
        raise Rejected(f"SEFAZ's answer is not about {key}: {reply.body[:500].decode(errors='replace')}")
    return status, reason, _protocol(fields) if status in AUTHORISED and found is not None else None


def _event_verdict(reply: Reply, key: str) -> CancellationAnswered | None:
    """What retEvento says of this key's cancellation; None where the answer has none."""
    root = _xml(reply)
    envelope = {e.tag.rpartition("}")[2]: e.text or "" for e in root if isinstance(e.tag, str)}
    _raise_unless_decided(envelope.get("cStat", ""), envelope.get("xMotivo", ""))
    for found in root.iterfind(f".//{{{NAMESPACE}}}retEvento/{{{NAMESPACE}}}infEvento"):
        fields = {element.tag.rpartition("}")[2]: element.text or "" for element in found}
        if fields.get("chNFe", key) == key and fields.get("tpEvento", CANCELLATION) == CANCELLATION:
            _raise_unless_decided(fields.get("cStat", ""), fields.get("xMotivo", ""))
            return _event_answer(fields)
    return None


def _event_answer(fields: dict[str, str]) -> CancellationAnswered:
    status, reason = fields.get("cStat", ""), fields.get("xMotivo", "")
    return CancellationAnswered.model_validate(
        {"outcome": "rejected", "code": status or "no_status", "reason": reason}
        if status not in EVENT_REGISTERED
        else {
            "outcome": "cancelled",
            "code": status,
            "reason": reason,
            "protocol": fields.get("nProt"),
            "registered_at": fields.get("dhRegEvento"),
        }
    )


def _xml(reply: Reply) -> etree._Element:
    try:
        return etree.fromstring(reply.body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise Rejected(f"SEFAZ answered with something else than XML: {error}") from error


def _raise_unless_decided(status: str, reason: str) -> None:
    if status in STOPPED:
        raise Unavailable(f"SEFAZ is out of service: {status} {reason}")
    if status in PROCESSING:
        raise Uncertain(f"SEFAZ has not decided yet: {status} {reason}")


def _protocol(fields: dict[str, str]) -> Protocol:
    return Protocol.model_validate(
        {
            "environment": fields.get("tpAmb"),
            "application": fields.get("verAplic"),
            "access_key": fields.get("chNFe"),
            "received_at": fields.get("dhRecbto"),
            "number": fields.get("nProt"),
            "digest": fields.get("digVal"),
            "status": fields.get("cStat"),
            "reason": fields.get("xMotivo"),
        }
    )


def _answer(signed: bytes, status: str, reason: str, protocol: Protocol | None) -> SefazAnswered:
    if protocol is None:
        return _rejected(status, reason)
    if protocol.digest != digest_value(signed):
        raise Rejected(f"SEFAZ authorised {protocol.access_key} with other content than ours")
    return SefazAnswered(
        outcome="authorised",
        code=status,
        reason=reason,
        protocol=protocol.number,
        received_at=protocol.received_at,
        xml=base64.b64encode(with_protocol(signed, protocol)).decode(),
    )


def _rejected(status: str, reason: str) -> SefazAnswered:
    return SefazAnswered(outcome="rejected", code=status, reason=reason)


def _text(reply: Reply, status: int, name: str) -> str:
    answer: Any = reply.expect(status).json()
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        raise Rejected(f"the ERP answered without {name}: {str(answer)[:200]}")
    return value
