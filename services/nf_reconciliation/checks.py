"""PURE. What is wrong with an S2 (the supplier's sale to us) or an S1 (its remessa to the customer): DOMAIN §5.

Each function returns every problem it finds, none when the document may pass. Codes are stable: operators and the
suppliers' systems switch on them. What is only worth a remark comes from `sale_warnings`.
"""

import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from schemas import access_key
from schemas.tax_id import is_valid_cnpj
from schemas.values import Problem
from services.nf_reconciliation.document_fields import Document, Line

AUTHORISED = ("100", "150")
SALE_CFOPS = ("118", "119")
OWN_MAKE, RESALE = ("118",), ("119",)
REMITTANCE_CFOPS = ("923",)
_SALE_WORDS = ("VENDA", "REMESSA SIMBOLICA")
_REMITTANCE_WORDS = ("REMESSA", "CONTA E ORDEM", "VENDA A ORDEM")
_CLOCK_SKEW = timedelta(minutes=5)


def kind_of(doc: Document) -> Literal["sale", "remittance"] | None:
    """S2 or S1, as its lines' CFOPs say; None when they are neither, or both."""
    families = {line.cfop[1:] for line in doc.lines}
    if families <= set(SALE_CFOPS):
        return "sale"
    return "remittance" if families <= set(REMITTANCE_CFOPS) else None


def document_problems(
    doc: Document,
    *,
    receiver_cnpj: str,
    supplier_cnpj: str,
    po_created_at: datetime,
    environment: str,
    delivery_uf: str | None = None,
    own_make: bool | None = None,
) -> list[Problem]:
    """Header of an S2. `environment` is tpAmb ("1" production). `delivery_uf` is where the goods go: when they stay
    in the supplier's state CFOP 5 is right whatever the retailer's state; None leaves that open: then 5 and 6 pass.
    `own_make`: the supplier makes the goods (CFOP x.118) or resells them (x.119); None leaves that open too.
    """
    inside = doc.issuer.uf in (doc.receiver.uf, delivery_uf)
    digits = "5" if inside else "56" if delivery_uf is None else "6"
    families = SALE_CFOPS if own_make is None else OWN_MAKE if own_make else RESALE
    return [
        *key_problems(doc),
        *authority_problems(doc, environment),
        *_party_problems(doc, supplier_cnpj, receiver_cnpj),
        *_time_problems(doc, po_created_at),
        *_nature_problems(doc, _SALE_WORDS),
        *_cfop_problems(doc.lines, families, digits),
    ]


def remittance_problems(
    doc: Document,
    *,
    customer_tax_id: str,
    supplier_cnpj: str,
    invoice_key: str,
    invoice_issued_at: datetime,
    environment: str,
) -> list[Problem]:
    """Header of an S1: from the supplier to R's customer, after R, and citing R by its key."""
    digits = "5" if doc.issuer.uf == doc.receiver.uf else "6"
    return [
        *key_problems(doc),
        *authority_problems(doc, environment),
        *_party_problems(doc, supplier_cnpj, customer_tax_id),
        *_citation_problems(doc, invoice_key),
        *_time_problems(doc, invoice_issued_at),
        *_nature_problems(doc, _REMITTANCE_WORDS),
        *_cfop_problems(doc.lines, REMITTANCE_CFOPS, digits),
    ]


def sale_warnings(doc: Document) -> list[Problem]:
    """An S2 should cite its S1; in the order S2, R, S1 it cannot yet, so this never holds it."""
    if doc.cites:
        return []
    return [Problem(code="s1_not_cited", where="ide/NFref", detail="the S2 cites no remessa; S1 follows after R")]


def payable(doc: Document) -> Decimal:
    """What an S2 makes us owe: the sum of its duplicatas, or vNF when it has none."""
    return sum((duplicata.amount for duplicata in doc.duplicatas), Decimal(0)) or doc.totals.document


def key_problems(doc: Document) -> list[Problem]:
    """The key's DV and month, and each of its parts against `ide` and the issuer."""
    if access_key.PATTERN.fullmatch(doc.access_key) is None:
        return [Problem(code="invalid_access_key", where="infNFe/@Id", expected="44 characters", found=doc.access_key)]
    parts = access_key.parts(doc.access_key)
    pairs = (
        ("ide/cUF", parts.uf_code, doc.uf_code),
        ("emit/enderEmit/UF", access_key.UF_BY_CODE.get(parts.uf_code, ""), doc.issuer.uf),
        ("ide/dhEmi", parts.year_month, f"{doc.issued_at:%y%m}"),
        ("emit", parts.issuer, doc.issuer.tax_id.rjust(14, "0")),
        ("ide/mod", parts.model, doc.model),
        ("ide/serie", parts.series, f"{doc.series:03d}"),
        ("ide/nNF", parts.number, f"{doc.number:09d}"),
        ("ide/tpEmis", parts.emission_type, doc.emission_type),
        ("ide/cNF", parts.code, doc.code),
        ("ide/cDV", parts.check_digit, doc.check_digit),
    )
    problems = [] if access_key.is_valid(doc.access_key) else [_invalid_key(doc.access_key)]
    if not is_valid_cnpj(doc.issuer.tax_id):
        expected = "a CNPJ with right check digits"
        problems.append(
            Problem(code="invalid_issuer_cnpj", where="emit/CNPJ", expected=expected, found=doc.issuer.tax_id)
        )
    return problems + [
        Problem(code="key_disagrees", where=where, expected=expected, found=found)
        for where, expected, found in pairs
        if expected != found
    ]


def authority_problems(doc: Document, environment: str) -> list[Problem]:
    """Authorised by SEFAZ for this very key, in this environment, as an ordinary NF-e."""
    checks = [
        *_differs("wrong_environment", "ide/tpAmb", environment, doc.environment),
        *_differs("wrong_model", "ide/mod", "55", doc.model),
        *_differs("wrong_purpose", "ide/finNFe", "1", doc.purpose),
    ]
    if doc.protocol is None:
        return [*checks, Problem(code="protocol_missing", where="protNFe", expected="an nfeProc with SEFAZ's protocol")]
    checks += _differs("protocol_key_differs", "protNFe/infProt/chNFe", doc.access_key, doc.protocol.access_key)
    if doc.protocol.status not in AUTHORISED:
        expected = " or ".join(AUTHORISED)
        checks.append(
            Problem(code="not_authorised", where="protNFe/infProt/cStat", expected=expected, found=doc.protocol.status)
        )
    return checks


def _invalid_key(key: str) -> Problem:
    return Problem(
        code="invalid_access_key",
        where="infNFe/@Id",
        expected=f"check digit {access_key.check_digit(key[:43])}",
        found=key,
    )


def _party_problems(doc: Document, issuer: str, receiver: str) -> list[Problem]:
    return [
        *_differs("wrong_issuer", "emit/CNPJ", issuer, doc.issuer.tax_id),
        *_differs("wrong_receiver", "dest", receiver, doc.receiver.tax_id),
    ]


def _citation_problems(doc: Document, invoice_key: str) -> list[Problem]:
    if invoice_key in doc.cites:
        return []
    found = ", ".join(doc.cites) or "nothing"
    return [Problem(code="invoice_not_cited", where="ide/NFref/refNFe", expected=invoice_key, found=found)]


def _time_problems(doc: Document, not_before: datetime) -> list[Problem]:
    """dhEmi has whole seconds and another machine's clock: five minutes' grace."""
    if doc.issued_at >= not_before - _CLOCK_SKEW:
        return []
    expected = f"not before {not_before.isoformat()}"
    return [Problem(code="issued_too_early", where="ide/dhEmi", expected=expected, found=doc.issued_at.isoformat())]


def _nature_problems(doc: Document, words: Iterable[str]) -> list[Problem]:
    decomposed = unicodedata.normalize("NFKD", doc.nature.upper())
    nature = "".join(character for character in decomposed if not unicodedata.combining(character))
    if any(word in nature for word in words):
        return []
    return [Problem(code="wrong_nature", where="ide/natOp", expected=" or ".join(words), found=doc.nature)]


def _cfop_problems(lines: Iterable[Line], families: tuple[str, ...], digits: str) -> list[Problem]:
    problems = []
    for line in lines:
        where = f"det[{line.number}]/prod/CFOP"
        allowed = ", ".join(digit + family for family in families for digit in digits)
        if line.cfop[1:] not in families:
            problems.append(Problem(code="wrong_cfop", where=where, expected=allowed, found=line.cfop))
        elif line.cfop[0] not in digits:
            problems.append(Problem(code="wrong_cfop_scope", where=where, expected=allowed, found=line.cfop))
    return problems


def _differs(code: str, where: str, expected: str, found: str) -> list[Problem]:
    return [] if expected == found else [Problem(code=code, where=where, expected=expected, found=found)]
