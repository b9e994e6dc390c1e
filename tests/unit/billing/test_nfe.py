"""R as built by billing: valid against the official schema in every tax regime, signed so that others can verify it."""

import base64
from decimal import Decimal
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas import access_key as keys
from schemas.tax_id import cnpj_check_digits
from services.billing.document_fields import (
    Carrier,
    Instalment,
    Intermediary,
    InvoiceDocument,
    ItemTax,
    Payment,
    Protocol,
    TechnicalContact,
)
from services.billing.invoice_arithmetic import document_total, item_total, owes_difal, taxes
from services.billing.nfe import build
from services.billing.nfe_groups import clean
from services.billing.nfe_signature import digest_value, schema_problems, sign, with_protocol
from tests.unit.nf_builders import ISSUED_AT, certificate, invoice, invoice_item, retailer

NS = {"n": "http://www.portalfiscal.inf.br/nfe", "ds": "http://www.w3.org/2000/09/xmldsig#"}
NORMAL = ItemTax(
    icms_code="00",
    icms_rate=Decimal(12),
    destination_rate=Decimal(18),
    destination_fcp_rate=Decimal(2),
    pis_code="01",
    pis_rate=Decimal("1.65"),
    cofins_code="01",
    cofins_rate=Decimal("7.6"),
)


def signed(document: InvoiceDocument) -> bytes:
    keys_of = certificate(document.issuer.cnpj)
    return sign(build(document), keys_of.key_pem, keys_of.cert_pem)


def text(xml: bytes, path: str) -> str | None:
    return etree.fromstring(xml).findtext(path, None, NS)


def interstate(**overrides: Any) -> InvoiceDocument:
    return invoice(regime="3", customer_uf="MG", items=(invoice_item(cfop="6120", tax=NORMAL),), **overrides)


def test_invoice_is_valid_by_the_official_schema() -> None:
    xml = signed(invoice())
    assert schema_problems(xml) == ()
    assert text(xml, ".//n:CFOP") == "5120"
    assert text(xml, ".//n:ide/n:idDest") == "1"
    assert text(xml, ".//n:vNF") == "99.80"
    assert text(xml, ".//n:vUnCom") == "49.90"


def test_unsigned_invoice_lacks_only_its_signature() -> None:
    [problem] = schema_problems(build(invoice()))
    assert "Signature" in problem


@pytest.mark.parametrize("code", ["00", "20", "40", "41", "50", "60", "90"])
def test_every_cst_is_valid(code: Any) -> None:
    tax = ItemTax(icms_code=code, icms_rate=Decimal(18), icms_reduction=Decimal("33.33" if code in ("20", "90") else 0))
    assert schema_problems(signed(invoice(regime="3", items=(invoice_item(tax=tax),)))) == ()


@pytest.mark.parametrize("code", ["101", "102", "103", "300", "400", "500", "900"])
@pytest.mark.parametrize("rate", [Decimal(0), Decimal(18)])
def test_every_csosn_is_valid(code: Any, rate: Decimal) -> None:
    tax = ItemTax(icms_code=code, icms_rate=rate, simples_credit_rate=rate / 10)
    assert schema_problems(signed(invoice(items=(invoice_item(tax=tax),)))) == ()


@pytest.mark.parametrize("code", ["01", "02", "04", "06", "07", "08", "09", "49", "99"])
def test_every_contribution_code_is_valid(code: str) -> None:
    tax = ItemTax(icms_code="102", pis_code=code, cofins_code=code, pis_rate=Decimal("0.65"), cofins_rate=Decimal(3))
    assert schema_problems(signed(invoice(items=(invoice_item(tax=tax),)))) == ()


def test_interstate_consumer_sale_has_difal() -> None:
    xml = signed(interstate())
    assert schema_problems(xml) == ()
    group = {e.tag.rpartition("}")[2]: e.text for e in etree.fromstring(xml).iterfind(".//n:ICMSUFDest/*", NS)}
    assert group == {
        "vBCUFDest": "99.80",
        "vBCFCPUFDest": "99.80",
        "pFCPUFDest": "2.0000",
        "pICMSUFDest": "18.0000",
        "pICMSInter": "12.00",
        "pICMSInterPart": "100.0000",
        "vFCPUFDest": "2.00",
        "vICMSUFDest": "5.99",
        "vICMSUFRemet": "0.00",
    }
    assert text(xml, ".//n:ICMSTot/n:vICMSUFDest") == "5.99"
    assert text(xml, ".//n:ICMSTot/n:vICMS") == "11.98"
    assert text(xml, ".//n:PISAliq/n:vBC") == "87.82"
    assert text(xml, ".//n:vNF") == "99.80"


@pytest.mark.parametrize(
    "document",
    [
        invoice(regime="1", customer_uf="MG", items=(invoice_item(tax=NORMAL),)),
        invoice(regime="4", customer_uf="MG", items=(invoice_item(tax=NORMAL),)),
        invoice(regime="3", customer_uf="SP", items=(invoice_item(tax=NORMAL),)),
        interstate().model_copy(
            update={"receiver": interstate().receiver.model_copy(update={"state_registration": "0623079040081"})}
        ),
    ],
    ids=["simples", "mei", "within the state", "taxpayer"],
)
def test_sale_that_owes_no_difal_has_no_difal_group(document: InvoiceDocument) -> None:
    xml = signed(document)
    assert not owes_difal(document)
    assert b"ICMSUFDest" not in xml
    assert schema_problems(xml) == ()


def test_difal_at_a_rate_that_is_no_interstate_rate_is_refused() -> None:
    tax = NORMAL.model_copy(update={"icms_rate": Decimal(18)})
    with pytest.raises(ValueError, match="4, 7 or 12"):
        build(invoice(regime="3", customer_uf="MG", items=(invoice_item(tax=tax),)))


def test_every_optional_group_is_valid_and_says_who_ships() -> None:
    document = invoice(
        carrier=Carrier(name="Rápido Sul", cnpj="06117473000150", state_registration="9032000301", city="Itu", uf="SP"),
        intermediary=Intermediary(cnpj="27373722000148", seller_id="LOJA-77"),
        technical_contact=TechnicalContact(cnpj="27373722000148", name="Suporte", email="nfe@x.br", phone="1133334444"),
        instalments=(Instalment(number="001", due=ISSUED_AT.date(), amount=Decimal("99.80")),),
        payments=(
            Payment(method="99", amount=Decimal("50.00"), description="Vale troca"),
            Payment(method="03", amount=Decimal("49.80")),
        ),
        cites=(keys.compose(uf_code="35", year_month="2607", issuer="11222333000181", model="55", series=1, number=9,
                            emission_type="1", code="12345678"),),
        order_code="ML-2000001",
        text="Pedido 2000001",
    )  # fmt: skip
    xml = signed(document)
    assert schema_problems(xml) == ()
    assert text(xml, ".//n:infIntermed/n:idCadIntTran") == "LOJA-77"
    assert text(xml, ".//n:indIntermed") == "1"
    assert text(xml, ".//n:retirada/n:CNPJ") == "12ABC34501DE35"
    note = text(xml, ".//n:infCpl") or ""
    assert "Farol Sul Autopeças Ltda, CNPJ 12ABC34501DE35, IE 110042490114, Rua das Peças, 100" in note
    assert note.endswith("Pedido 2000001")


def test_homologation_document_names_nobody() -> None:
    xml = signed(invoice(environment="2"))
    assert schema_problems(xml) == ()
    assert text(xml, ".//n:dest/n:xNome") == "NF-E EMITIDA EM AMBIENTE DE HOMOLOGACAO - SEM VALOR FISCAL"


def test_key_of_another_document_is_refused() -> None:
    with pytest.raises(ValueError, match="is not this document's"):
        build(invoice().model_copy(update={"number": 502}))


def test_discount_and_surcharges_reach_the_total() -> None:
    item = invoice_item(
        quantity=Decimal(3), unit_price=Decimal("0.335"), discount=Decimal("0.10"), freight=Decimal("9.90"),
        insurance=Decimal("0.05"), other=Decimal("0.04"),
    )  # fmt: skip
    document = invoice(items=(item,), payments=(Payment(method="01", amount=Decimal("10.90")),))
    assert item_total(item) == Decimal("1.01")
    assert document_total(document) == Decimal("10.90")
    xml = signed(document)
    assert schema_problems(xml) == ()
    assert (text(xml, ".//n:ICMSTot/n:vFrete"), text(xml, ".//n:vNF")) == ("9.90", "10.90")


@given(st.text(max_size=80), st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_a_customer_types_gives_a_valid_document(name: str, street: str) -> None:
    receiver = invoice().receiver
    address = receiver.address.model_copy(update={"street": street + "Rua", "complement": street})
    document = invoice(receiver=receiver.model_copy(update={"name": name + "Jo", "address": address}), text=name)
    xml = build(document)
    assert [problem for problem in schema_problems(xml) if "Signature" not in problem] == []


def test_text_outside_latin_1_is_brought_to_its_nearest() -> None:
    assert clean("  Łódź – “x”\t✓\n fim  ", 60) == "Łódź - x fim".replace("Ł", "").replace("ź", "z")
    assert clean("São João nº 3 ½", 60) == "São João nº 3 ½"
    assert clean("a" * 70 + " b", 60) == "a" * 60


item_values = st.builds(
    lambda cents, quantity, discount: invoice_item(
        unit_price=Decimal(cents) / 100, quantity=Decimal(quantity), discount=Decimal(discount) / 100, tax=NORMAL
    ),
    st.integers(100, 500_000),
    st.integers(1, 50),
    st.integers(0, 99),
)


@given(st.lists(item_values, min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_totals_are_the_sums_of_their_items(items: list[Any]) -> None:
    document = interstate().model_copy(update={"items": tuple(items)})
    root = etree.fromstring(build(document))
    for total, path in (
        ("vICMS", "ICMS00/n:vICMS"),
        ("vICMSUFDest", "vICMSUFDest"),
        ("vPIS", "vPIS"),
        ("vProd", "vProd"),
    ):
        found = root.findtext(f".//n:ICMSTot/n:{total}", "", NS)
        assert Decimal(found) == sum(Decimal(e.text or "") for e in root.iterfind(f".//n:det//n:{path}", NS))
    assert sum((taxes(item, True).icms for item in items), Decimal(0)) == Decimal(
        root.findtext(".//n:ICMSTot/n:vICMS", "", NS)
    )


def _canonical(element: etree._Element) -> bytes:
    """Parsed on its own first: lxml's C14N of an element inside a larger tree writes stray xmlns=""."""
    return etree.tostring(
        etree.fromstring(etree.tostring(element)), method="c14n", exclusive=False, with_comments=False
    )


def test_signature_verifies_with_other_code_than_made_it() -> None:
    """C14N by lxml, digest and RSA by cryptography: no part of xmlsec."""
    root = etree.fromstring(signed(invoice()))
    info, value = root.find(".//ds:SignedInfo", NS), root.findtext(".//ds:SignatureValue", "", NS)
    assert info is not None
    assert root.find(".//ds:Reference", NS).get("URI") == f"#{root[0].get('Id')}"  # type: ignore[union-attr]
    der = base64.b64decode(root.findtext(".//ds:X509Certificate", "", NS))
    public = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(base64.b64decode(value), _canonical(info), padding.PKCS1v15(), hashes.SHA1())
    digest = hashes.Hash(hashes.SHA1())
    digest.update(_canonical(root[0]))
    assert base64.b64encode(digest.finalize()).decode() == root.findtext(".//ds:DigestValue", "", NS)


def test_signature_has_no_spaces_between_or_in_its_tags() -> None:
    xml = signed(invoice())
    assert b"\n" not in xml
    assert b"> <" not in xml


def test_protocol_wraps_the_signed_bytes_untouched() -> None:
    document = invoice()
    xml = signed(document)
    protocol = Protocol(
        environment="1",
        application="SP-1",
        access_key=document.access_key,
        received_at=ISSUED_AT,
        number="135260000000001",
        digest=digest_value(xml),
        status="100",
        reason="Autorizado o uso da NF-e",
    )
    processed = with_protocol(xml, protocol)
    assert xml in processed
    assert schema_problems(processed) == ()
    assert text(processed, ".//n:infProt/n:digVal") == text(processed, ".//ds:DigestValue")


def test_retailer_with_an_alphanumeric_cnpj_can_issue() -> None:
    cnpj = "1A2B3C4D0001" + cnpj_check_digits("1A2B3C4D0001")
    document = invoice()
    key = keys.compose(uf_code="35", year_month="2607", issuer=cnpj, model="55", series=1, number=501,
                       emission_type="1", code=document.code)  # fmt: skip
    issuer = document.issuer.model_copy(update={"cnpj": cnpj})
    xml = signed(document.model_copy(update={"issuer": issuer, "access_key": key}))
    assert schema_problems(xml) == ()
    assert retailer().cnpj.encode() not in xml
