"""Reading suppliers' XML: real samples, odd encodings, and hostile bytes."""

import json
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.supplier import Tolerance
from services.nf_reconciliation.checks import authority_problems, key_problems
from services.nf_reconciliation.document import MAX_BYTES, read
from services.nf_reconciliation.document_fields import Document, Unreadable
from services.nf_reconciliation.line_checks import total_problems
from tests.unit.nf_builders import ISSUED_AT, PO_CREATED_AT, sale_xml, sold_line

SAMPLES = Path(str(files("nfelib.nfe") / "samples" / "v4_0"))
REAL = [*sorted(SAMPLES.glob("leiauteNFe/*.xml")), SAMPLES / "procNFe.xml"]
UNSIGNED = ("42210775277525000178550030000266631762885493", "42211275277525000178550030000276771368212013",
            "42220575277525000178550030000292481295366801")  # fmt: skip
BAD_ID = "NFe35200159594315000157550010000000012062777161"


def document(xml: bytes) -> Document:
    found = read(xml)
    assert isinstance(found, Document), found
    return found


@cache
def sale_xml_once() -> bytes:
    return sale_xml()


def codes(xml: bytes) -> list[str]:
    found = read(xml)
    assert isinstance(found, Unreadable), found
    return [problem.code for problem in found.problems]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem[:44])
def test_real_sample_is_read_or_refused_with_its_place(path: Path) -> None:
    found = read(path.read_bytes())
    if path.stem.startswith((*UNSIGNED, BAD_ID)):
        assert isinstance(found, Unreadable)
        assert {problem.code for problem in found.problems} == {"schema_violation"}
        assert all(problem.where.startswith("line ") and ": /nfeProc" in problem.where for problem in found.problems)
    else:
        assert isinstance(found, Document)
        assert found.lines
        assert found.protocol is not None
        assert found.protocol.access_key == found.access_key
        sums = sum(line.total for line in found.lines if line.counts) == found.totals.products
        assert sums or path.stem == "nfe_reforma_tributaria"  # one line of many was kept in this one


def test_samples_are_there() -> None:
    assert len(REAL) == 18


def test_known_sample_has_its_fields() -> None:
    found = document((SAMPLES / "procNFe.xml").read_bytes())
    assert found.access_key == "41170706117473000150550010000463202612756525"
    assert (found.series, found.number, found.model, found.purpose, found.environment) == (1, 46320, "55", "1", "2")
    assert (found.issuer.tax_id, found.issuer.uf, found.issuer.state_registration) == (
        "06117473000150",
        "PR",
        "9032000301",
    )
    assert (found.receiver.tax_id, found.receiver.uf) == ("27373722000148", "SP")
    assert found.issued_at.isoformat() == "2017-07-12T09:45:50-03:00"
    [line] = found.lines
    assert (line.sku, line.po_number, line.po_line, line.gtin, line.origin) == ("01042", "230772", 1, None, "0")
    assert (line.quantity, line.unit_price, line.total) == (Decimal(1), Decimal("84.9"), Decimal("84.90"))
    assert found.totals.document == Decimal("84.90")
    assert found.text.startswith(";CONTROLE")
    assert found.protocol is not None
    assert (found.protocol.status, found.protocol.number) == ("100", "141170000487910")


@pytest.mark.parametrize("path", [path for path in REAL if path.stem.startswith("351808")], ids=lambda path: path.stem)
def test_real_sample_passes_the_checks_of_key_authority_and_sums(path: Path) -> None:
    found = document(path.read_bytes())
    totals = found.totals
    assert key_problems(found) == []
    assert authority_problems(found, environment="1") == []
    agreed = {name: amount for name, amount in totals if name not in ("products", "discount", "document")}
    assert (
        total_problems(totals, found.lines, Tolerance(), agreed | {"products": totals.products - totals.discount}) == []
    )


@pytest.mark.parametrize(
    ("stem", "where"),
    [("26180875335849000115", {"ide/cDV"}), ("41170706117473000150", {"ide/tpEmis", "ide/cDV"}),
     ("nfe_reforma_tributaria", {"ide/dhEmi", "emit"})],
)  # fmt: skip
def test_sample_that_was_edited_after_its_key_was_made_is_caught(stem: str, where: set[str]) -> None:
    [path] = [path for path in REAL if path.stem.startswith(stem)]
    assert {problem.where for problem in key_problems(document(path.read_bytes()))} == where


def test_document_survives_json() -> None:
    found = document(sale_xml())
    assert Document.model_validate(json.loads(found.model_dump_json())) == found


def test_bom_before_the_declaration_is_let_pass() -> None:
    xml = sale_xml()
    plain, marked = document(xml), document(b"\xef\xbb\xbf" + xml)
    assert marked.sha256 != plain.sha256
    assert marked.model_copy(update={"sha256": plain.sha256}) == plain


def test_latin_1_document_is_read_with_its_accents() -> None:
    text = sale_xml().decode()
    xml = text.replace('encoding="UTF-8"', 'encoding="ISO-8859-1"').encode("iso-8859-1")
    assert document(xml).issuer.name == "Farol Sul Autopeças Ltda"


def test_latin_1_bytes_declared_as_utf_8_are_not_xml() -> None:
    assert codes(sale_xml().decode().encode("iso-8859-1")) == ["not_xml"]


def test_prefixed_namespace_reads_the_same() -> None:
    xml = sale_xml().decode()
    head, _, rest = xml.partition('<nfeProc xmlns="http://www.portalfiscal.inf.br/nfe"')
    body = rest.replace("</nfeProc>", "</p:nfeProc>")
    prefixed = f'{head}<p:nfeProc xmlns:p="http://www.portalfiscal.inf.br/nfe"{body}'
    assert document(prefixed.encode()).access_key == document(xml.encode()).access_key


def test_bare_nfe_is_read_without_protocol() -> None:
    xml = sale_xml()
    start, end = xml.index(b"<NFe "), xml.index(b"</NFe>") + len(b"</NFe>")
    assert document(xml[start:end]).protocol is None


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">]><nfeProc>&lol3;</nfeProc>"""
EXTERNAL = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'


@pytest.mark.parametrize("xml", [BOMB, EXTERNAL, b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>'])
def test_document_with_a_doctype_is_refused(xml: bytes) -> None:
    assert codes(xml) == ["entities_forbidden"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_encoding_that_could_hide_a_doctype_is_refused(encoding: str) -> None:
    assert codes(BOMB.decode().encode(encoding)) == ["encoding_unsupported"]


def test_utf_7_that_could_hide_a_doctype_is_refused() -> None:
    assert codes(b'<?xml version="1.0" encoding="UTF-7"?>+ADw-!DOCTYPE x+AD4-') == ["encoding_unsupported"]


@pytest.mark.parametrize("xml", [b"", b"   ", b"%PDF-1.7", b'{"nfe": 1}', b"<a><b></a>", b"\xef\xbb\xbf"])
def test_bytes_that_are_not_xml_are_refused(xml: bytes) -> None:
    assert codes(xml) == ["not_xml"]


def test_truncated_document_is_not_xml() -> None:
    xml = sale_xml()
    assert codes(xml[: len(xml) // 2]) == ["not_xml"]


def test_oversized_document_is_refused_unparsed() -> None:
    assert codes(b"<" * (MAX_BYTES + 1)) == ["too_large"]


def test_very_deep_document_is_refused() -> None:
    assert codes(b"<a>" * 100_000) == ["not_xml"]


@pytest.mark.parametrize(
    "xml", [b"<nfeProc versao='4.00'/>", b"<NFe xmlns='http://example.com'/>", b"<html><body/></html>"]
)
def test_other_xml_is_not_an_nfe(xml: bytes) -> None:
    assert codes(xml) == ["not_an_nfe"]


def test_schema_violation_says_where_and_why() -> None:
    found = read(sale_xml(lines=(sold_line(), sold_line(po_line=2))).replace(b"<CFOP>5119</CFOP>", b"<CFOP>X</CFOP>"))
    assert isinstance(found, Unreadable)
    assert [problem.code for problem in found.problems[:1]] == ["schema_violation"]
    wheres = {problem.where.partition(": ")[2] for problem in found.problems}
    assert wheres == {"/nfeProc/NFe/infNFe/det/prod/CFOP", "/nfeProc/NFe/infNFe/det[2]/prod/CFOP"}
    assert all("CFOP" in problem.detail and "{http" not in problem.detail for problem in found.problems)


def test_violation_in_a_prefixed_document_says_where_too() -> None:
    text = sale_xml().decode().replace("<CFOP>5119</CFOP>", "<CFOP>X</CFOP>")
    text = text.replace("<prod>", '<q:prod xmlns:q="http://www.portalfiscal.inf.br/nfe">').replace(
        "</prod>", "</q:prod>"
    )
    found = read(text.encode())
    assert isinstance(found, Unreadable)
    assert {problem.code for problem in found.problems} == {"schema_violation"}
    assert all("prod" in problem.where for problem in found.problems)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_document_with_bytes_knocked_about_is_read_or_refused_but_never_raises(data: st.DataObject) -> None:
    xml = bytearray(sale_xml_once())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(xml) - 1))
        xml[start : start + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=12))
    found = read(bytes(xml))
    assert isinstance(found, Document) or found.problems


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_problem(xml: bytes) -> None:
    found = read(xml)
    assert isinstance(found, Unreadable)
    assert found.problems


def test_digits_of_another_script_are_refused_as_data() -> None:
    """The official pattern of dhEmi says \\d, which in XSD is any script's digit."""
    xml = sale_xml().decode()
    odd = xml.replace("<dhEmi>2026-07-20T10:30:00", "<dhEmi>2026-07-20T1٠:30:00")
    assert odd != xml
    assert codes(odd.encode()) in (["schema_violation"], ["field_unreadable"])


def test_sale_built_by_the_sandbox_has_its_duplicata_and_dates() -> None:
    found = document(sale_xml())
    assert found.issued_at == ISSUED_AT > PO_CREATED_AT
    [duplicata] = found.duplicatas
    assert (duplicata.due, duplicata.amount) == (ISSUED_AT.date(), found.totals.document)
