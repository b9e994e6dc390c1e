"""R as it is drafted can be written: valid by the official schema, and authorised by the sandbox's SEFAZ."""

from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from deploy.local.partners.certificate import self_signed
from deploy.local.partners.nfe_authority import authorise
from schemas.billing import TaxProfileChanged
from schemas.order import Payment
from schemas.timeline import Timeline
from services.billing import decide
from services.billing.document_fields import InvoiceDocument, Protocol
from services.billing.invoice_arithmetic import document_total
from services.billing.nfe import build
from services.billing.nfe_signature import schema_problems, sign
from services.billing.requests import (
    AuthoriseInvoice,
)
from services.billing.state import (
    Bill,
)
from tests.unit.billing import builders as b
from tests.unit.nf_builders import address, retailer

CERTIFICATE = self_signed("LOJA", retailer().cnpj, now=b.NOW)
SIMPLES = {"regime": "1", "icms_code": "102", "internal_rates": {}, "interstate_rates": {}}


def drafted(order: dict[str, Any], profile: dict[str, Any], line: dict[str, Any]) -> tuple[Bill, InvoiceDocument]:
    known = b.reference(tax_profile=Timeline[TaxProfileChanged](versions=(b.tax_profile_changed(**profile),)))
    bill: Bill | None = None
    bill = b.decided(decide.on_order_ready(bill, b.order_ready(**order), b.context("1", known))).state
    bill = b.decided(decide.on_purchase_order_created(bill, b.only_po(), b.context("2", known))).state
    nf = b.nf_of_only_po(lines=(b.nf_line(1, 1, **line), b.nf_line(2, 2)))
    decision = b.decided(decide.on_supplier_nf_matched(bill, nf, b.context("3", known)))
    (request,) = b.requests(decision, AuthoriseInvoice)
    assert decision.state is not None
    return decision.state, request.document


@pytest.mark.parametrize(
    ("order", "profile", "line"),
    [
        ({}, {}, {}),
        ({"ship_to": address("SP")}, {}, {}),
        ({}, SIMPLES, {}),
        ({}, {"interstate_rates": {"MG": Decimal(12)}}, {"origin": "1"}),
        ({}, {"icms_code": "41", "pis_code": "01", "pis_rate": Decimal("1.65")}, {}),
        ({"freight": Decimal("0.00"), "discount": Decimal("280.00"), "total": Decimal("0.00"), "payments": ()}, {}, {}),
        ({"channel_order_code": "X" * 64, "items": (b.item(1, sku="S" * 64), b.item(2, name="–" * 250))}, {}, {}),
        (
            {
                "payments": tuple(
                    Payment(payment_id=method, method=method, amount=Decimal("50.00"), approved_at=b.NOW)
                    for method in ("pix", "boleto", "credit_card", "debit_card", "marketplace", "other")
                )
            },
            {},
            {},
        ),
    ],
    ids=["interstate", "within", "simples", "foreign", "exempt", "free", "long", "all-methods"],
)
def test_drafted_invoice_is_authorised(order: dict[str, Any], profile: dict[str, Any], line: dict[str, Any]) -> None:
    bill, document = drafted(order, profile, line)
    assert document_total(document) == bill.invoices[0].total
    signed = sign(build(document), CERTIFICATE.key_pem, CERTIFICATE.cert_pem)
    assert schema_problems(signed) == ()
    at = b.NOW.astimezone(timezone(timedelta(hours=-3)))
    decided = authorise(signed, received_at=at, protocol_number="135260000000001")
    assert isinstance(decided, Protocol), decided


def test_foreign_goods_between_states_are_taxed_at_four_percent() -> None:
    _, document = drafted({}, {}, {"origin": "2"})
    assert [item.tax.icms_rate for item in document.items] == [Decimal(4), Decimal(12)]
    assert document.items[0].tax.destination_rate == Decimal(18)
