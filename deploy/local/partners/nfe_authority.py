"""What the sandbox's SEFAZ looks at before it authorises an NF-e: schema, key, signature, certificate, parties, sums.

Rejections carry the real authority's codes (Manual de Orientação do Contribuinte, annex I). Whether a number was
used before (204, 539) is for the caller, who remembers.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import xmlsec
from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree

from schemas import access_key
from schemas.tax_id import is_valid_cnpj, is_valid_cpf
from services.billing.document_fields import Protocol
from services.billing.nfe_signature import schema_problems

APPLICATION = "SANDBOX-1"
_NS = {"n": "http://www.portalfiscal.inf.br/nfe", "ds": "http://www.w3.org/2000/09/xmldsig#"}
_ADDED = ("vST", "vFCPST", "vFrete", "vSeg", "vOutro", "vII", "vIPI", "vIPIDevol")
_SUBTRACTED = ("vDesc", "vICMSDeson")


@dataclass(frozen=True, slots=True)
class Rejection:
    """`status` is cStat."""

    status: str
    reason: str
    access_key: str | None = None


def authorise(
    xml: bytes, *, received_at: datetime, protocol_number: str, environment: str = "1"
) -> Protocol | Rejection:
    """Look at one signed `NFe`. `received_at` carries the authority's offset."""
    try:
        root = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError as error:
        return Rejection("243", f"XML mal formado: {error.msg}")
    problems = schema_problems(xml)
    if problems or root.tag != f"{{{_NS['n']}}}NFe":
        return Rejection("225", f"Falha no Schema XML da NF-e: {problems[0] if problems else root.tag}"[:255])
    key = (root[0].get("Id") or "").removeprefix("NFe")
    for status, reason in _objections(root, key, received_at, environment):
        return Rejection(status, reason, key)
    return Protocol(
        environment=environment,
        application=APPLICATION,
        access_key=key,
        received_at=received_at,
        number=protocol_number,
        digest=root.findtext(".//ds:DigestValue", "", _NS),
        status="100",
        reason="Autorizado o uso da NF-e",
    )


def protocol_number(uf_code: str, at: datetime, sequence: int) -> str:
    """nProt: kind of authority, state, year, running number."""
    return f"1{uf_code}{at:%y}{sequence:010d}"


def _objections(root: etree._Element, key: str, at: datetime, environment: str) -> Iterator[tuple[str, str]]:
    yield from _key_objections(root, key)
    yield from _party_objections(root)
    yield from _signature_objections(root, at)
    if _text(root, "ide/n:tpAmb") != environment:
        yield "252", "Ambiente informado diverge do Ambiente de recebimento"
    if datetime.fromisoformat(_text(root, "ide/n:dhEmi")) > at + timedelta(minutes=5):
        yield "703", "Data-Hora de Emissao posterior ao horario de recebimento"
    yield from _sum_objections(root)
    if _lacks_difal(root):
        yield "694", "Nao informado o grupo de ICMS para a UF de destino"


def _text(root: etree._Element, path: str) -> str:
    return root.findtext(f"n:infNFe/n:{path}", "", _NS)


def _key_objections(root: etree._Element, key: str) -> Iterator[tuple[str, str]]:
    if not access_key.is_valid(key):
        yield "253", "Digito Verificador da chave de acesso composta invalido"
    issuer = _text(root, "emit/n:CNPJ") or _text(root, "emit/n:CPF").rjust(14, "0")
    issued = datetime.fromisoformat(_text(root, "ide/n:dhEmi"))
    fields = (
        _text(root, "ide/n:cUF"), f"{issued:%y%m}", issuer, _text(root, "ide/n:mod"),
        _text(root, "ide/n:serie").rjust(3, "0"), _text(root, "ide/n:nNF").rjust(9, "0"),
        _text(root, "ide/n:tpEmis"), _text(root, "ide/n:cNF"), _text(root, "ide/n:cDV"),
    )  # fmt: skip
    if "".join(fields) != key:
        yield "502", "Erro na Chave de Acesso - Campo Id nao corresponde a concatenacao dos campos correspondentes"


def _party_objections(root: etree._Element) -> Iterator[tuple[str, str]]:
    if not is_valid_cnpj(_text(root, "emit/n:CNPJ")):
        yield "207", "CNPJ do emitente invalido"
    cnpj, cpf = _text(root, "dest/n:CNPJ"), _text(root, "dest/n:CPF")
    if cnpj and not is_valid_cnpj(cnpj):
        yield "208", "CNPJ do destinatario invalido"
    if cpf and not is_valid_cpf(cpf):
        yield "237", "CPF do destinatario invalido"


def _signature_objections(root: etree._Element, at: datetime) -> Iterator[tuple[str, str]]:
    der = base64.b64decode(root.findtext(".//ds:X509Certificate", "", _NS))
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError:
        yield "290", "Certificado Assinatura invalido"
        return
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        yield "291", "Certificado Assinatura Data Validade"
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    holder = str(names[0].value).rpartition(":")[2] if names else ""
    if holder[:8] != _text(root, "emit/n:CNPJ")[:8]:
        yield "213", "CNPJ-Base do Emitente difere do CNPJ-Base do Certificado Digital"
    if not signature_holds(root, der):
        yield "297", "Assinatura difere do calculado"


def signature_holds(root: etree._Element, certificate_der: bytes) -> bool:
    """Whether the `NFe`'s signature covers its infNFe and was made with the certificate's key."""
    signature = root.find("ds:Signature", _NS)
    reference = root.find("ds:Signature/ds:SignedInfo/ds:Reference", _NS)
    if signature is None or reference is None or reference.get("URI") != f"#{root[0].get('Id')}":
        return False
    xmlsec.tree.add_ids(root, ["Id"])
    context = xmlsec.SignatureContext()
    context.key = _public_key(certificate_der)
    try:
        context.verify(signature)
    except xmlsec.Error:
        return False
    return True


@lru_cache(maxsize=64)
def _public_key(certificate_der: bytes) -> xmlsec.Key:
    return xmlsec.Key.from_memory(certificate_der, xmlsec.constants.KeyDataFormatCertDer)


def _sum_objections(root: etree._Element) -> Iterator[tuple[str, str]]:
    totals = {
        child.tag.rpartition("}")[2]: Decimal(child.text or "0") for child in root.iterfind(".//n:ICMSTot/*", _NS)
    }
    amounts = (Decimal(e.text or "0") for e in root.iterfind("n:infNFe/n:det/n:prod[n:indTot='1']/n:vProd", _NS))
    if sum(amounts, Decimal(0)) != totals["vProd"]:
        yield "564", "Total do Produto / Servico difere do somatorio dos itens"
    expected = totals["vProd"] + sum(totals[name] for name in _ADDED) - sum(totals[name] for name in _SUBTRACTED)
    if totals["vNF"] != expected:
        yield "610", "Total da NF difere do somatorio dos Valores compoe o valor Total da NF"
    payments = [(_method(e), Decimal(e.findtext("n:vPag", "0", _NS))) for e in root.iterfind(".//n:detPag", _NS)]
    if all(method != "90" for method, _ in payments) and sum(amount for _, amount in payments) < totals["vNF"]:
        yield "865", "Total dos pagamentos menor que o total da nota"


def _method(payment: etree._Element) -> str:
    return payment.findtext("n:tPag", "", _NS)


def _lacks_difal(root: etree._Element) -> bool:
    """Interstate, to a final consumer who is no taxpayer, taxed, by an issuer outside Simples, and no ICMSUFDest."""
    header = (_text(root, "ide/n:idDest"), _text(root, "ide/n:indFinal"), _text(root, "dest/n:indIEDest"))
    if header != ("2", "1", "9") or _text(root, "emit/n:CRT") in ("1", "4"):
        return False
    groups = root.iterfind("n:infNFe/n:det/n:imposto", _NS)
    taxed = (group for group in groups if group.findtext("n:ICMS/*/n:CST", "", _NS) in ("00", "20"))
    return any(group.find("n:ICMSUFDest", _NS) is None for group in taxed)
