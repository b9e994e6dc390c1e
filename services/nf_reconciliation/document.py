"""Reads a supplier's NF-e: hostile bytes in, a `Document` or the reasons against it out. Nothing here raises.

lxml and the official schema (shipped in nfelib) take about half a millisecond; nfelib's own binding takes fifty.
"""

import hashlib
import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any

from lxml import etree

from schemas.values import Problem
from services.nf_reconciliation.document_fields import (
    AuthorityProtocol,
    Document,
    Duplicata,
    Line,
    Party,
    Totals,
    Unreadable,
)

MAX_BYTES = 1024 * 1024
MAX_PROBLEMS = 20
NAMESPACE = "http://www.portalfiscal.inf.br/nfe"
_N = f"{{{NAMESPACE}}}"
_BOM = b"\xef\xbb\xbf"
_DECLARED = re.compile(rb"""^<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:-]*)["']""")
_ENCODINGS = {b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin1", b"windows-1252"}
_SCHEMAS = {f"{_N}nfeProc": "procNFe_v4.00.xsd", f"{_N}NFe": "nfe_v4.00.xsd"}


def read(xml: bytes) -> Document | Unreadable:
    """Read an `nfeProc`, or a bare `NFe` (then without protocol), in UTF-8 (a BOM is let pass) or Latin-1."""
    sha256 = hashlib.sha256(xml).hexdigest()
    root = _parse(xml)
    if isinstance(root, Problem):
        return Unreadable(problems=(root,), sha256=sha256)
    problems = _schema_problems(root)
    if problems:
        return Unreadable(problems=problems, sha256=sha256)
    try:
        return _document(root, sha256)
    except (ValueError, InvalidOperation) as error:  # what the schema lets pass and Python does not, e.g. other digits
        return Unreadable(problems=(Problem(code="field_unreadable", where="/", detail=str(error)),), sha256=sha256)


def _parse(xml: bytes) -> etree._Element | Problem:
    if len(xml) > MAX_BYTES:
        return Problem(code="too_large", where="/", expected=f"at most {MAX_BYTES} bytes", found=f"{len(xml)} bytes")
    text = xml.removeprefix(_BOM).strip()
    declared = _DECLARED.match(text)
    if b"\x00" in text or (declared and declared[1].lower() not in _ENCODINGS):
        found = declared[1].decode() if declared else "UTF-16, UTF-32 or binary"
        return Problem(code="encoding_unsupported", where="/", expected="UTF-8 or ISO-8859-1", found=found)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return Problem(code="entities_forbidden", where="/", detail="an NF-e has no DOCTYPE and no entities")
    try:
        return etree.fromstring(text, _parser("utf-8" if xml.startswith(_BOM) else None))
    except etree.XMLSyntaxError as error:
        return Problem(code="not_xml", where=f"line {error.lineno}, column {error.offset}", detail=error.msg or "empty")


def _parser(encoding: str | None) -> etree.XMLParser:
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(files("nfelib.nfe") / "schemas" / "v4_0" / name)))


def _schema_problems(root: etree._Element) -> tuple[Problem, ...]:
    name = _SCHEMAS.get(root.tag)
    if name is None:
        expected = f"nfeProc or NFe in {NAMESPACE}"
        return (Problem(code="not_an_nfe", where="/", expected=expected, found=root.tag[:200]),)
    schema = _schema(name)
    if schema.validate(root):
        return ()
    log: Any = schema.error_log
    return tuple(
        Problem(
            code="schema_violation", where=f"line {entry.line}: {_place(root, entry)}", detail=_plain(entry.message)
        )
        for entry in list(log)[:MAX_PROBLEMS]
    )


def _place(root: etree._Element, entry: Any) -> str:
    """XPath with the elements' names; libxml2 writes `*` for every element of a default namespace."""
    prefixes = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
    try:
        found = root.getroottree().xpath(entry.path or "/", namespaces=prefixes)
    except etree.XPathError:  # a prefix declared further down
        found = []
    if not isinstance(found, list) or not found or not isinstance(found[0], etree._Element):
        return entry.path or "/"
    steps = []
    for element in (found[0], *found[0].iterancestors()):
        position = sum(1 for _ in element.itersiblings(element.tag, preceding=True)) + 1
        steps.append(etree.QName(element).localname + (f"[{position}]" if position > 1 else ""))
    return "/" + "/".join(reversed(steps))


def _plain(message: str) -> str:
    return message.replace(_N, "")[:500]


def _document(root: etree._Element, sha256: str) -> Document:
    inf = root if root.tag == f"{_N}NFe" else _child(root, "NFe")
    inf = _child(inf, "infNFe")
    ide = _child(inf, "ide")
    fields = _texts(ide)
    return Document(
        access_key=inf.get("Id", "").removeprefix("NFe"),
        uf_code=fields["cUF"],
        model=fields["mod"],
        series=int(fields["serie"]),
        number=int(fields["nNF"]),
        emission_type=fields["tpEmis"],
        code=fields["cNF"],
        check_digit=fields["cDV"],
        environment=fields["tpAmb"],
        purpose=fields["finNFe"],
        nature=fields["natOp"],
        issued_at=datetime.fromisoformat(fields["dhEmi"]),
        issuer=_party(inf.find(f"{_N}emit"), "enderEmit"),
        receiver=_party(inf.find(f"{_N}dest"), "enderDest"),
        cites=tuple(reference.text or "" for reference in ide.iterfind(f"{_N}NFref/{_N}refNFe")),
        text=inf.findtext(f"{_N}infAdic/{_N}infCpl", ""),
        lines=tuple(_line(det) for det in inf.iterfind(f"{_N}det")),
        totals=_totals(_child(_child(inf, "total"), "ICMSTot")),
        duplicatas=tuple(_duplicata(_texts(dup)) for dup in inf.iterfind(f"{_N}cobr/{_N}dup")),
        protocol=_protocol(root.find(f"{_N}protNFe/{_N}infProt")),
        sha256=sha256,
    )


def _child(element: etree._Element, name: str) -> etree._Element:
    child = element.find(_N + name)
    if child is None:
        raise ValueError(f"{name} is missing")
    return child


def _texts(element: etree._Element) -> dict[str, str]:
    """The text of each child by its name without namespace."""
    return {child.tag[len(_N) :]: child.text or "" for child in element}


def _money(fields: dict[str, str], name: str) -> Decimal:
    return Decimal(fields.get(name) or "0")


def _party(element: etree._Element | None, address: str) -> Party:
    if element is None:
        return Party(tax_id="", name="", uf="")
    fields = _texts(element)
    return Party(
        tax_id=fields.get("CNPJ") or fields.get("CPF") or "",
        name=fields.get("xNome", ""),
        uf=element.findtext(f"{_N}{address}/{_N}UF", ""),
        state_registration=fields.get("IE", ""),
    )


def _line(det: etree._Element) -> Line:
    fields = _texts(_child(det, "prod"))
    gtin = fields["cEAN"]
    return Line(
        number=int(det.get("nItem", "0")),
        sku=fields["cProd"],
        gtin=gtin if gtin.isdecimal() else None,
        description=fields["xProd"],
        ncm=fields["NCM"],
        cfop=fields["CFOP"],
        unit=fields["uCom"],
        quantity=Decimal(fields["qCom"]),
        unit_price=Decimal(fields["vUnCom"]),
        total=Decimal(fields["vProd"]),
        discount=_money(fields, "vDesc"),
        freight=_money(fields, "vFrete"),
        insurance=_money(fields, "vSeg"),
        other=_money(fields, "vOutro"),
        counts=fields["indTot"] == "1",
        taxable_unit=fields["uTrib"],
        taxable_quantity=Decimal(fields["qTrib"]),
        po_number=fields.get("xPed"),
        po_line=int(fields["nItemPed"]) if "nItemPed" in fields else None,
        origin=det.findtext(f"{_N}imposto/{_N}ICMS/*/{_N}orig"),
    )


def _totals(element: etree._Element) -> Totals:
    fields = _texts(element)
    return Totals(
        products=_money(fields, "vProd"),
        discount=_money(fields, "vDesc"),
        freight=_money(fields, "vFrete"),
        insurance=_money(fields, "vSeg"),
        other=_money(fields, "vOutro"),
        import_duty=_money(fields, "vII"),
        ipi=_money(fields, "vIPI"),
        ipi_returned=_money(fields, "vIPIDevol"),
        st=_money(fields, "vST"),
        fcp_st=_money(fields, "vFCPST"),
        icms_relieved=_money(fields, "vICMSDeson"),
        document=_money(fields, "vNF"),
    )


def _duplicata(fields: dict[str, str]) -> Duplicata:
    due = fields.get("dVenc")
    return Duplicata(
        number=fields.get("nDup", ""), due=date.fromisoformat(due) if due else None, amount=_money(fields, "vDup")
    )


def _protocol(element: etree._Element | None) -> AuthorityProtocol | None:
    if element is None:
        return None
    fields = _texts(element)
    return AuthorityProtocol(
        access_key=fields["chNFe"],
        status=fields["cStat"],
        number=fields.get("nProt", ""),
        at=datetime.fromisoformat(fields["dhRecbto"]),
    )
