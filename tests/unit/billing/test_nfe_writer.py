"""What writes R writes the same bytes as xsdata's serializer would."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xsdata.formats.dataclass.context import XmlContext
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.formats.dataclass.serializers.config import SerializerConfig

from services.billing import nfe
from services.billing.document_fields import (
    Carrier,
    Instalment,
    Intermediary,
    InvoiceDocument,
    ItemTax,
    Payment,
    TechnicalContact,
)
from services.billing.nfe_writer import write
from tests.unit.nf_builders import ISSUED_AT, invoice, invoice_item

DIFAL = ItemTax(icms_code="00", icms_rate=Decimal(12), destination_rate=Decimal(18), destination_fcp_rate=Decimal(2),
                pis_code="01", pis_rate=Decimal("1.65"), cofins_code="01", cofins_rate=Decimal("7.6"))  # fmt: skip
DOCUMENTS = {
    "simple": invoice(),
    "homologation": invoice(environment="2"),
    "interstate": invoice(regime="3", customer_uf="MG", items=(invoice_item(cfop="6120", tax=DIFAL),)),
    "two items": invoice(items=(invoice_item(), invoice_item(discount=Decimal("0.10")))),
    "everything": invoice(
        carrier=Carrier(name="Rápido & Sul", cnpj="06117473000150", state_registration="9032000301", city="Itu",
                        uf="SP"),
        intermediary=Intermediary(cnpj="27373722000148", seller_id="LOJA-77"),
        technical_contact=TechnicalContact(cnpj="27373722000148", name="Suporte", email="nfe@x.br", phone="1133334444"),
        instalments=(Instalment(number="001", due=ISSUED_AT.date(), amount=Decimal("99.80")),),
        payments=(Payment(method="99", amount=Decimal("99.80"), description="Vale <troca>"),),
        order_code="ML-2000001",
        text='Pedido "2000001" & mais',
    ),
}  # fmt: skip
XSDATA = XmlSerializer(context=XmlContext(), config=SerializerConfig(xml_declaration=False))


def bindings(document: InvoiceDocument, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    """The binding's object that `build` writes, with its namespace."""
    written: list[tuple[Any, str]] = []

    def keep(found: Any, namespace: str) -> bytes:
        written.append((found, namespace))
        return b""

    with monkeypatch.context() as patched:
        patched.setattr(nfe, "write", keep)
        nfe.build(document)
    return written[0]


@pytest.mark.parametrize("name", [*DOCUMENTS])
def test_document_is_written_as_xsdata_writes_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    binding, namespace = bindings(DOCUMENTS[name], monkeypatch)
    assert write(binding, namespace).decode() == XSDATA.render(binding, ns_map={None: namespace})


@given(st.text(max_size=60))
@settings(max_examples=40, deadline=None)
def test_any_text_is_written_as_xsdata_writes_it(said: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        binding, namespace = bindings(invoice(text=said, order_code=said + "1"), monkeypatch)
        assert write(binding, namespace).decode() == XSDATA.render(binding, ns_map={None: namespace})


@dataclass
class Worded:
    """A binding with text of its own."""

    value: str = field(default="", metadata={"required": True})


def test_binding_that_is_more_than_attributes_and_elements_is_refused() -> None:
    with pytest.raises(TypeError, match="Worded"):
        write(Worded("x"), "urn:x")
