"""PURE. The numbers of an NF-e before it is written: its access key, its amounts and taxes.

Base of a tax is the item's net value with its surcharges; every amount is rounded to the cent where it arises.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from schemas import access_key as keys
from services.billing.document_fields import ZERO, InvoiceDocument, InvoiceItem


def access_key(uf_code: str, issued_at: datetime, cnpj: str, series: int, number: int, tp_emis: str, cnf: str) -> str:
    """Key of a model 55 document; its month is that of `issued_at` in the offset it carries."""
    return keys.compose(
        uf_code=uf_code,
        year_month=f"{issued_at:%y%m}",
        issuer=cnpj,
        model="55",
        series=series,
        number=number,
        emission_type=tp_emis,
        code=cnf,
    )


def cents(amount: Decimal) -> Decimal:
    """Two places, halves up, as SEFAZ rounds."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def item_total(item: InvoiceItem) -> Decimal:
    """vProd"""
    return cents(item.quantity * item.unit_price)


def taxable_value(item: InvoiceItem) -> Decimal:
    return item_total(item) - item.discount + item.freight + item.insurance + item.other


def document_total(invoice: InvoiceDocument) -> Decimal:
    """vNF: goods less discounts, plus freight, insurance and other charges."""
    return sum((item_total(i) - i.discount + i.freight + i.insurance + i.other for i in invoice.items), ZERO)


def owes_difal(invoice: InvoiceDocument) -> bool:
    """Interstate sale to a final consumer who is no ICMS taxpayer, by an issuer outside Simples (EC 87/2015)."""
    return (
        invoice.issuer.address.uf != invoice.receiver.address.uf
        and invoice.receiver.final_consumer
        and invoice.receiver.state_registration is None
        and invoice.issuer.regime in ("2", "3")
        and any(item.tax.destination_rate is not None for item in invoice.items)
    )


@dataclass(frozen=True, slots=True)
class ItemTaxes:
    """What one item adds to ICMSTot."""

    icms_base: Decimal = ZERO
    icms: Decimal = ZERO
    pis: Decimal = ZERO
    cofins: Decimal = ZERO
    destination_icms: Decimal = ZERO
    destination_fcp: Decimal = ZERO

    def __add__(self, other: "ItemTaxes") -> "ItemTaxes":
        return ItemTaxes(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def taxes(item: InvoiceItem, difal: bool) -> ItemTaxes:
    """The amounts of one item, each to the cent."""
    tax, value = item.tax, taxable_value(item)
    base = ZERO
    if tax.icms_code in ("00", "20", "90") or (tax.icms_code == "900" and tax.icms_rate):
        base = cents(value * (100 - tax.icms_reduction) / 100)
    icms = cents(base * tax.icms_rate / 100)
    contribution_base = value if tax.icms_in_contribution_base else value - icms
    owed = difal and tax.destination_rate is not None
    difference = max((tax.destination_rate or ZERO) - tax.icms_rate, ZERO)
    return ItemTaxes(
        icms_base=base,
        icms=icms,
        pis=cents(contribution_base * tax.pis_rate / 100),
        cofins=cents(contribution_base * tax.cofins_rate / 100),
        destination_icms=cents(value * difference / 100) if owed else ZERO,
        destination_fcp=cents(value * tax.destination_fcp_rate / 100) if owed else ZERO,
    )
