"""What the sandbox's SEFAZ looks at before it cancels an NF-e (event 110111): signature, protocol, time, reason."""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree

from deploy.local.partners.nfe_authority import APPLICATION, Rejection, signature_holds
from services.billing.document_fields import Protocol
from services.billing.nfe_event import CANCELLATION
from services.billing.nfe_signature import NAMESPACE

_NS = {"n": NAMESPACE, "ds": "http://www.w3.org/2000/09/xmldsig#"}
_DEFAULT: Any = {None: NAMESPACE}
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
SHORTEST_REASON = 15


@dataclass(frozen=True, slots=True)
class Claim:
    """What an event asks for."""

    access_key: str
    protocol: str
    reason: str
    at: datetime


def cancellation_claim(batch: bytes) -> Claim | Rejection:
    """The one event of an envEvento, or why it is not even looked at."""
    try:
        root = etree.fromstring(batch, _PARSER)
    except etree.XMLSyntaxError as error:
        return Rejection("243", f"XML mal formado: {error.msg}")
    event = root.find("n:evento", _NS)
    if event is None or _text(event, "tpEvento") != CANCELLATION:
        return Rejection("491", "O tpEvento informado invalido")
    key = _text(event, "chNFe")
    if event[0].get("Id") != f"ID{CANCELLATION}{key}01":
        return Rejection("572", "Erro Atributo ID do evento nao corresponde a concatenacao dos campos", key)
    der = base64.b64decode(event.findtext(".//ds:X509Certificate", "", _NS))
    if not _holds(event, der):
        return Rejection("297", "Assinatura difere do calculado", key)
    if _holder(der)[:8] != key[6:14]:
        return Rejection("213", "CNPJ-Base do Autor difere do CNPJ-Base do Certificado Digital", key)
    reason = event.findtext("n:infEvento/n:detEvento/n:xJust", "", _NS)
    protocol = event.findtext("n:infEvento/n:detEvento/n:nProt", "", _NS)
    return Claim(key, protocol, reason, datetime.fromisoformat(_text(event, "dhEvento")))


def event_objection(
    claim: Claim, protocol: Protocol | None, now: datetime, within: timedelta
) -> tuple[str, str] | None:
    """cStat and xMotivo of what speaks against it; None: it is registered."""
    if protocol is None:
        return "494", "Rejeicao: Chave de Acesso inexistente"
    if claim.protocol != protocol.number:
        return "222", "Rejeicao: Protocolo de Autorizacao de Uso difere do cadastrado"
    if len(claim.reason) < SHORTEST_REASON:
        return "225", "Rejeicao: Falha no Schema XML do evento"
    if now > protocol.received_at + within:
        return "501", "Rejeicao: Prazo de Cancelamento Superior ao Previsto na Legislacao"
    return None


def event_answer(status: str, reason: str, key: str, at: datetime, protocol: str = "") -> bytes:
    """`retEvento`."""
    root = etree.Element(f"{{{NAMESPACE}}}retEvento", {"versao": "1.00"}, nsmap=_DEFAULT)
    inf = etree.SubElement(root, f"{{{NAMESPACE}}}infEvento")
    fields = {"tpAmb": "1", "verAplic": APPLICATION, "cOrgao": key[:2], "cStat": status, "xMotivo": reason}
    fields |= {"chNFe": key, "tpEvento": CANCELLATION, "dhRegEvento": at.isoformat()}
    for name, text in (fields | ({"nProt": protocol} if protocol else {})).items():
        etree.SubElement(inf, f"{{{NAMESPACE}}}{name}").text = text
    return etree.tostring(root)


def _holds(event: etree._Element, der: bytes) -> bool:
    """Looked at as a document of its own, which is what was signed."""
    try:
        return signature_holds(etree.fromstring(etree.tostring(event)), der)
    except (ValueError, IndexError):
        return False


def _holder(der: bytes) -> str:
    names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value).rpartition(":")[2] if names else ""


def _text(event: etree._Element, name: str) -> str:
    return event.findtext(f"n:infEvento/n:{name}", "", _NS)
