"""Real notas fiscais at the price of a few replacements: each kind of document is built, signed and authorised once
by the sandbox's and billing's own builders, with stand-ins for what differs from one NF to the next.

A copy's XML is as valid as the original by schema and by key; only its digest is the original's. What nf_reconciliation
reads out of a copy is made by the same replacements out of what it reads in the original. That it really reads the same
is checked with the first copy of each kind; worlds that go over the wire read every copy.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any

from deploy.local.partners.certificate import Certificate, new_key, self_signed
from deploy.local.partners.documents import (
    CitedInvoice,
    Customer,
    Issuing,
    SoldLine,
    remittance_nf,
    supplier_sale_nf,
)
from deploy.local.partners.nfe_authority import Rejection, authorise, protocol_number
from schemas import access_key as keys
from schemas.supplier import SupplierNfIssued
from schemas.values import Company
from services.billing.document_fields import InvoiceDocument
from services.billing.invoice_arithmetic import access_key
from services.billing.nfe import build
from services.billing.nfe_signature import sign, with_protocol
from services.nf_reconciliation import reading
from services.nf_reconciliation.document import read
from services.nf_reconciliation.document_fields import Document, Unreadable

BRASILIA = timezone(timedelta(hours=-3))
SERIES = 1
PO_NUMBER = "PC-STAND-IN-001"
_AT = datetime(2031, 2, 3, 4, 5, 6, tzinfo=BRASILIA)
_DUE = date(2032, 3, 4)
_NUMBER, _CITED_NUMBER = 987_654_321, 876_543_219
_CODE = "73519264"
_SEQUENCE = 9_182_736_455
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Template:
    """An NF whose stand-ins are to be replaced."""

    xml: str
    access_key: str
    code: str
    protocol: str
    content: str
    """What is read out of it, as JSON."""
    checked: list[bool] = field(default_factory=list)

    def filled(
        self, key: str, number: int, code: str, at: datetime, sequence: int, others: dict[str, str], wire: bool
    ) -> str:
        """A copy in base64, with `others` replaced too. Unless it is for the wire, what it says is known already."""
        texts = {
            self.access_key: key,
            f"<cNF>{self.code}</cNF>": f"<cNF>{code}</cNF>",
            f"<cDV>{self.access_key[-1]}</cDV>": f"<cDV>{key[-1]}</cDV>",
            str(_NUMBER): str(number),
            _AT.isoformat(): at.isoformat(),
            self.protocol: protocol_number(key[:2], at, sequence),
            **others,
        }
        xml = _replaced(self.xml, texts).encode()
        copy = base64.b64encode(xml).decode()
        if not wire:
            self._remember(copy, xml, texts, code, key)
        return copy

    def _remember(self, copy: str, xml: bytes, texts: dict[str, str], code: str, key: str) -> None:
        said = Document.model_validate_json(_replaced(self.content, texts))
        digest = hashlib.sha256(xml).hexdigest()
        document = said.model_copy(update={"code": code, "check_digit": key[-1], "sha256": digest})
        if not self.checked:
            assert read(xml) == document
            self.checked.append(True)
        if len(_known) > _REMEMBERED:
            _known.clear()
        _known[copy] = document


_known: dict[str, Document] = {}
"""What is to be read out of a copy."""


def document_of(xml: str) -> Document | Unreadable:
    """As nf_reconciliation reads it."""
    return _known.get(xml) or reading.document_of(xml)


def key_of(event: SupplierNfIssued) -> str:
    """As nf_reconciliation finds it."""
    document = _known.get(event.xml)
    return reading.key_of(event) if document is None else document.access_key


def _replaced(text: str, texts: dict[str, str]) -> str:
    return "".join([texts.get(piece, piece) for piece in _pieces(text, tuple(texts))])


@cache
def _pieces(text: str, stand_ins: tuple[str, ...]) -> list[str]:
    """The text, cut before and behind each of them."""
    return re.split(f"({'|'.join(map(re.escape, stand_ins))})", text)


def _template(xml: bytes, key: str, code: str, protocol: str) -> Template:
    document = read(xml)
    assert isinstance(document, Document), document
    return Template(xml.decode(), key, code, protocol, document.model_dump_json())


@cache
def certificate(name: str, cnpj: str) -> Certificate:
    """Of the issuer's own; the key behind it is one for all, as making one takes 100 ms."""
    return self_signed(name, cnpj, now=_AT.astimezone(UTC), key=_key())


_key = cache(new_key)


def issued_key(company: Company, series: int, number: int, at: datetime, code: str) -> str:
    return access_key(keys.CODE_BY_UF[company.address.uf], at, company.cnpj, series, number, "1", code)


def _issuing(supplier: Company) -> Issuing:
    return Issuing(supplier, certificate(supplier.name, supplier.cnpj), SERIES, _NUMBER, _AT)


def _supplier_template(supplier: Company, xml: bytes) -> Template:
    code = keys.control_code(supplier.cnpj, _NUMBER)
    key = issued_key(supplier, SERIES, _NUMBER, _AT, code)
    protocol = protocol_number(key[:2], _AT, SERIES * 10**7 + _NUMBER % 10**7)
    return _template(xml, key, code, protocol)


_templates: dict[Any, Template] = {}


def sale(
    supplier: Company,
    buyer: Company,
    lines: Sequence[SoldLine],
    po_number: str,
    *,
    delivery_uf: str,
    own_make: bool,
    owed: Decimal,
    due: date,
    number: int,
    at: datetime,
    wire: bool,
) -> str:
    """S2. The lines carry the stand-in for the PO's number."""
    which = ("sale", supplier.cnpj, buyer.cnpj, tuple(lines), delivery_uf, own_make, owed)
    template = _templates.get(which)
    if template is None:
        xml = supplier_sale_nf(
            _issuing(supplier), buyer, lines, delivery_uf=delivery_uf, own_make=own_make, instalments=[(_DUE, owed)]
        )
        template = _templates[which] = _supplier_template(supplier, xml)
    return _filled(template, supplier, number, at, {PO_NUMBER: po_number, _DUE.isoformat(): due.isoformat()}, wire)


def remittance(
    supplier: Company,
    customer: Customer,
    lines: Sequence[SoldLine],
    po_number: str,
    cited: CitedInvoice,
    *,
    number: int,
    at: datetime,
    wire: bool,
) -> str:
    """S1. The lines carry the stand-in for the PO's number."""
    series = int(keys.parts(cited.access_key).series)
    stand_in = issued_key(cited.issuer, series, _CITED_NUMBER, _AT, _CODE)
    which = ("remittance", supplier.cnpj, customer.tax_id, repr(customer.address), tuple(lines), stand_in)
    template = _templates.get(which)
    if template is None:
        xml = remittance_nf(_issuing(supplier), customer, lines, CitedInvoice(stand_in, _AT.date(), cited.issuer))
        template = _templates[which] = _supplier_template(supplier, xml)
    cited_number = str(int(keys.parts(cited.access_key).number))
    texts = {stand_in: cited.access_key, str(_CITED_NUMBER): cited_number, PO_NUMBER: po_number}
    texts[f"{_AT:%d/%m/%Y}"] = f"{cited.issued_on:%d/%m/%Y}"
    return _filled(template, supplier, number, at, texts, wire)


def _filled(template: Template, supplier: Company, number: int, at: datetime, texts: dict[str, str], wire: bool) -> str:
    code = keys.control_code(supplier.cnpj, number)
    key = issued_key(supplier, SERIES, number, at, code)
    return template.filled(key, number, code, at, SERIES * 10**7 + number, texts, wire)


def invoice(document: InvoiceDocument, sequence: int, wire: bool) -> str:
    """R as SEFAZ has authorised it."""
    issuer = document.issuer
    company = Company(**{name: getattr(issuer, name) for name in Company.model_fields})
    stand_in = issued_key(company, document.series, _NUMBER, _AT, _CODE)
    unnumbered = document.model_copy(
        update={"number": _NUMBER, "code": _CODE, "access_key": stand_in, "issued_at": _AT}
    )
    which = unnumbered.model_dump_json()
    template = _templates.get(which)
    if template is None:
        own = certificate(issuer.name, issuer.cnpj)
        signed = sign(build(unnumbered), own.key_pem, own.cert_pem)
        protocol = protocol_number(stand_in[:2], _AT, _SEQUENCE)
        answer = authorise(signed, received_at=_AT, protocol_number=protocol)
        if isinstance(answer, Rejection):
            raise AssertionError(f"SEFAZ rejects R: {answer.status} {answer.reason}")
        template = _templates[which] = _template(with_protocol(signed, answer), stand_in, _CODE, protocol)
    return template.filled(document.access_key, document.number, document.code, document.issued_at, sequence, {}, wire)
