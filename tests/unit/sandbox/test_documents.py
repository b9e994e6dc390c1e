"""The sandbox's suppliers and SEFAZ: what it authorises is what nf_reconciliation reads; what is wrong it rejects."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from deploy.local.partners.certificate import self_signed
from deploy.local.partners.documents import RejectedBySefaz
from deploy.local.partners.nfe_authority import Rejection, authorise, protocol_number
from schemas.access_key import is_valid
from services.billing.document_fields import InvoiceDocument, ItemTax, Payment, Protocol
from services.billing.nfe import build
from services.billing.nfe_signature import sign, with_protocol
from services.nf_reconciliation.checks import document_problems, remittance_problems
from services.nf_reconciliation.document import read
from services.nf_reconciliation.document_fields import Document
from tests.unit.nf_builders import (
    CUSTOMER_CPF,
    ISSUED_AT,
    PO_CREATED_AT,
    certificate,
    invoice,
    invoice_item,
    issuing,
    remittance_xml,
    retailer,
    sale_xml,
    sold_line,
    supplier,
)

NUMBER = protocol_number("35", ISSUED_AT, 1)


def signed(document: InvoiceDocument) -> bytes:
    pair = certificate(document.issuer.cnpj)
    return sign(build(document), pair.key_pem, pair.cert_pem)


def answer(xml: bytes, **overrides: Any) -> Protocol | Rejection:
    fields: dict[str, Any] = {"received_at": ISSUED_AT, "protocol_number": NUMBER}
    return authorise(xml, **fields | overrides)


def status(xml: bytes, **overrides: Any) -> str:
    return answer(xml, **overrides).status


def resigned(xml: bytes, old: str, new: str) -> bytes:
    """The document changed before it was signed, so that its signature holds."""
    assert old.encode() in xml
    pair = certificate(retailer().cnpj)
    return sign(xml.replace(old.encode(), new.encode()), pair.key_pem, pair.cert_pem)


@pytest.mark.parametrize("cnpj", ["12ABC34501DE35", "06117473000150"])
def test_sale_round_trip_has_no_problem(cnpj: str) -> None:
    seller = supplier(cnpj=cnpj)
    lines = (
        sold_line(),
        sold_line(po_line=2, sku="FS-78", gtin=None, unit_price=Decimal("7.3333"), quantity=Decimal(7)),
    )
    found = read(sale_xml(issuing=issuing(seller), lines=lines))
    assert isinstance(found, Document)
    assert is_valid(found.access_key)
    assert found.access_key[6:20] == cnpj
    assert [(line.po_number, line.po_line) for line in found.lines] == [("PO-1042", 1), ("PO-1042", 2)]
    assert document_problems(
        found, receiver_cnpj=retailer().cnpj, supplier_cnpj=cnpj, po_created_at=PO_CREATED_AT, environment="1"
    ) == []  # fmt: skip


@pytest.mark.parametrize("cnpj", ["12ABC34501DE35", "06117473000150"])
def test_remittance_round_trip_cites_the_invoice(cnpj: str) -> None:
    document = invoice()
    found = read(remittance_xml(document.access_key, issuing=issuing(supplier(cnpj=cnpj), number=2)))
    assert isinstance(found, Document)
    assert remittance_problems(
        found,
        customer_tax_id=CUSTOMER_CPF,
        supplier_cnpj=cnpj,
        invoice_key=document.access_key,
        invoice_issued_at=document.issued_at,
        environment="1",
    ) == []  # fmt: skip


def test_sale_in_instalments_has_its_duplicatas() -> None:
    owed = ((date(2026, 8, 17), Decimal("20.00")), (date(2026, 9, 14), Decimal("19.81")))
    found = read(sale_xml(instalments=owed))
    assert isinstance(found, Document)
    assert [(d.number, d.due, d.amount) for d in found.duplicatas] == [("001", *owed[0]), ("002", *owed[1])]


def test_instalments_that_do_not_cover_the_total_are_rejected() -> None:
    with pytest.raises(RejectedBySefaz, match="865"):
        sale_xml(instalments=((date(2026, 8, 17), Decimal("1.00")),))


def test_own_make_sale_within_the_state_is_5118() -> None:
    found = read(sale_xml(own_make=True))
    assert isinstance(found, Document)
    assert found.lines[0].cfop == "5118"


def test_invoice_is_authorised_and_read_back() -> None:
    document = invoice()
    xml = signed(document)
    protocol = answer(xml)
    assert isinstance(protocol, Protocol)
    assert (protocol.status, protocol.number, protocol.access_key) == ("100", "135260000000001", document.access_key)
    found = read(with_protocol(xml, protocol))
    assert isinstance(found, Document)
    assert found.protocol is not None
    assert found.protocol.status == "100"


def test_document_changed_after_signing_is_rejected() -> None:
    xml = signed(invoice())
    assert status(xml.replace(b"Joana Pereira", b"Joana Ferreira")) == "297"


def test_document_of_another_signature_is_rejected() -> None:
    ours, other = etree.fromstring(signed(invoice())), etree.fromstring(signed(invoice(number=502)))
    ours.replace(ours[-1], other[-1])
    assert status(etree.tostring(ours)) == "297"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("<nNF>501</nNF>", "<nNF>502</nNF>", "502"),
        ("<vNF>99.80</vNF>", "<vNF>99.79</vNF>", "610"),
        ("<vPag>99.80</vPag>", "<vPag>99.79</vPag>", "865"),
        ("<qCom>2.0000</qCom>", "<qCom>-2</qCom>", "225"),
        ("<CPF>52998224725</CPF>", "<CPF>52998224726</CPF>", "237"),
        ("<tpAmb>1</tpAmb>", "<tpAmb>2</tpAmb>", "252"),
    ],
)
def test_wrong_field_is_rejected_with_its_code(old: str, new: str, expected: str) -> None:
    assert status(resigned(build(invoice()), old, new)) == expected


def test_wrong_product_total_is_rejected() -> None:
    xml = build(invoice())
    last = xml.rindex(b"<vProd>")
    changed = xml[:last] + xml[last:].replace(b"<vProd>99.80<", b"<vProd>99.79<", 1)
    assert status(resigned(changed, "<vNF>", "<vNF>")) == "564"


def test_key_with_a_wrong_check_digit_is_rejected() -> None:
    document = invoice()
    key = document.access_key
    wrong = key[:-1] + str((int(key[-1]) + 1) % 10)
    assert status(resigned(build(document), f"NFe{key}", f"NFe{wrong}")) == "253"


def test_document_from_the_future_is_rejected() -> None:
    assert status(signed(invoice()), received_at=ISSUED_AT - timedelta(minutes=6)) == "703"


def test_foreign_certificate_is_rejected() -> None:
    stranger = certificate("06117473000150")
    assert status(sign(build(invoice()), stranger.key_pem, stranger.cert_pem)) == "213"


def test_expired_certificate_is_rejected() -> None:
    long_ago = ISSUED_AT - timedelta(days=800)
    old = self_signed("LOJA", retailer().cnpj, now=long_ago)
    assert status(sign(build(invoice()), old.key_pem, old.cert_pem)) == "291"


def test_interstate_sale_without_difal_is_rejected_and_with_it_authorised() -> None:
    tax = ItemTax(icms_code="00", icms_rate=Decimal(12))
    without = invoice(regime="3", customer_uf="MG", items=(invoice_item(cfop="6120", tax=tax),))
    assert status(signed(without)) == "694"
    owed = tax.model_copy(update={"destination_rate": Decimal(18)})
    assert status(signed(without.model_copy(update={"items": (invoice_item(cfop="6120", tax=owed),)}))) == "100"


@pytest.mark.parametrize("xml", [b"", b"nonsense", b"<!DOCTYPE x [<!ENTITY e 'x'>]><x>&e;</x>", b"<x/>"])
def test_bytes_that_are_no_nfe_are_rejected(xml: bytes) -> None:
    assert status(xml) in ("243", "225")


def test_protocol_number_has_fifteen_digits() -> None:
    assert protocol_number("35", datetime(2026, 7, 1), 42) == "135260000000042"  # noqa: DTZ001


def test_unpaid_document_needs_no_payment() -> None:
    document = invoice(payments=(Payment(method="90", amount=Decimal("0.00")),))
    assert status(signed(document)) == "100"
