"""Builders of notas fiscais for unit tests: real, signed, authorised documents, with overrides."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any

from deploy.local.partners.certificate import Certificate, self_signed
from deploy.local.partners.documents import CitedInvoice, Customer, Issuing, SoldLine, remittance_nf, supplier_sale_nf
from schemas.access_key import CODE_BY_UF, control_code
from schemas.values import Address, Company
from services.billing.document_fields import InvoiceDocument, InvoiceItem, Issuer, ItemTax, Payment, Receiver, Shipper
from services.billing.invoice_arithmetic import access_key

BRASILIA = timezone(timedelta(hours=-3))
ISSUED_AT = datetime(2026, 7, 20, 10, 30, tzinfo=BRASILIA)
PO_CREATED_AT = datetime(2026, 7, 20, 12, 0, tzinfo=UTC)
CUSTOMER_CPF = "52998224725"
_CITIES = {
    "SP": ("São Paulo", "3550308", "01001000"),
    "PR": ("Curitiba", "4106902", "80010000"),
    "GO": ("Goiânia", "5208707", "74003010"),
    "MG": ("Belo Horizonte", "3106200", "30110000"),
}


def address(uf: str = "SP") -> Address:
    city, ibge_code, postal_code = _CITIES[uf]
    return Address(
        street="Rua das Peças",
        number="100",
        district="Centro",
        city=city,
        ibge_code=ibge_code,
        uf=uf,
        postal_code=postal_code,
    )


def company(name: str, cnpj: str, uf: str = "SP") -> Company:
    return Company(name=name, cnpj=cnpj, state_registration="110042490114", address=address(uf))


def supplier(uf: str = "SP", cnpj: str = "12ABC34501DE35") -> Company:
    return company("Farol Sul Autopeças Ltda", cnpj, uf)


def retailer(uf: str = "SP") -> Company:
    return company("Loja das Peças S.A.", "11222333000181", uf)


@cache
def certificate(cnpj: str) -> Certificate:
    return self_signed("FAROL SUL", cnpj, now=ISSUED_AT)


def sold_line(**overrides: Any) -> SoldLine:
    fields: dict[str, Any] = {
        "po_number": "PO-1042",
        "po_line": 1,
        "sku": "FS-77",
        "name": "Pastilha de freio – dianteira",
        "ncm": "87083090",
        "quantity": Decimal(2),
        "unit_price": Decimal("19.9025"),
        "gtin": "7891234567895",
    }
    return SoldLine(**fields | overrides)


def issuing(company: Company, **overrides: Any) -> Issuing:
    fields: dict[str, Any] = {"series": 1, "number": 46321, "issued_at": ISSUED_AT}
    return Issuing(supplier=company, certificate=certificate(company.cnpj), **fields | overrides)


def sale_xml(**overrides: Any) -> bytes:
    """An S2 from SP to SP for a customer in SP."""
    fields: dict[str, Any] = {
        "issuing": issuing(supplier()),
        "retailer": retailer(),
        "lines": (sold_line(),),
        "delivery_uf": "SP",
    }
    return supplier_sale_nf(**fields | overrides)


def remittance_xml(invoice_key: str, **overrides: Any) -> bytes:
    fields: dict[str, Any] = {
        "issuing": issuing(supplier(), number=46322),
        "customer": Customer(name="Joana Pereira", tax_id=CUSTOMER_CPF, address=address("MG")),
        "lines": (sold_line(unit_price=Decimal("49.90")),),
        "invoice": CitedInvoice(access_key=invoice_key, issued_on=ISSUED_AT.date(), issuer=retailer()),
    }
    return remittance_nf(**fields | overrides)


def invoice_item(**overrides: Any) -> InvoiceItem:
    fields: dict[str, Any] = {
        "sku": "LP-9",
        "gtin": "7891234567895",
        "description": "Pastilha de freio dianteira “premium” – par ✓",
        "ncm": "87083090",
        "cfop": "5120",
        "quantity": Decimal(2),
        "unit_price": Decimal("49.90"),
        "tax": ItemTax(icms_code="102"),
    }
    return InvoiceItem(**fields | overrides)


def invoice(*, regime: str = "1", customer_uf: str = "SP", **overrides: Any) -> InvoiceDocument:
    """An R of one item for 99.80, from a retailer in SP, shipped by the supplier."""
    seller, ships = retailer(), supplier()
    number = overrides.get("number", 501)
    issued_at = overrides.get("issued_at", ISSUED_AT)
    code = control_code("order-1", number)
    fields: dict[str, Any] = {
        "series": 1,
        "number": number,
        "code": code,
        "access_key": access_key(CODE_BY_UF["SP"], issued_at, seller.cnpj, 1, number, "1", code),
        "issued_at": issued_at,
        "nature": "VENDA DE MERCADORIA ADQUIRIDA DE TERCEIROS ENTREGUE POR CONTA E ORDEM",
        "issuer": Issuer(**dict(seller), regime=regime),
        "receiver": Receiver(tax_id=CUSTOMER_CPF, name="Joana Pereira", address=address(customer_uf)),
        "items": (invoice_item(),),
        "payments": (Payment(method="17", amount=Decimal("99.80")),),
        "shipper": Shipper(**dict(ships)),
    }
    return InvoiceDocument(**fields | overrides)
