"""The tax groups of one item of an NF-e (`imposto`), from its tax profile and its amounts."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from nfelib.nfe.bindings.v4_0.leiaute_nfe_v4_00 import Tnfe

from services.billing.document_fields import ZERO, InvoiceItem, ItemTax
from services.billing.invoice_arithmetic import ItemTaxes, cents, taxable_value

_Imposto = Tnfe.InfNfe.Det.Imposto
_INTERSTATE_RATES = ("4.00", "7.00", "12.00")


def tax_groups(item: InvoiceItem, amounts: ItemTaxes, difal: bool) -> Any:
    """`imposto` of one item."""
    contribution_base = taxable_value(item) - (ZERO if item.tax.icms_in_contribution_base else amounts.icms)
    return _Imposto(
        ICMS=_icms(item, amounts),
        PIS=_contribution(_Imposto.Pis, "PIS", item.tax.pis_code, item.tax.pis_rate, contribution_base, amounts.pis),
        COFINS=_contribution(
            _Imposto.Cofins, "COFINS", item.tax.cofins_code, item.tax.cofins_rate, contribution_base, amounts.cofins
        ),
        ICMSUFDest=_difal(item, amounts) if difal and item.tax.destination_rate is not None else None,
    )


def _icms(item: InvoiceItem, amounts: ItemTaxes) -> Any:
    group, tax = _Imposto.Icms, item.tax
    charged = {"modBC": "3", "vBC": str(amounts.icms_base), "pICMS": rate(tax.icms_rate), "vICMS": str(amounts.icms)}
    reduction = {"pRedBC": rate(tax.icms_reduction)}
    credit = {"pCredSN": rate(tax.simples_credit_rate), "vCredICMSSN": str(_simples_credit(item))}
    match tax.icms_code:
        case "00":
            return group(ICMS00=group.Icms00(orig=tax.origin, CST="00", **charged))
        case "20":
            return group(ICMS20=group.Icms20(orig=tax.origin, CST="20", **reduction, **charged))
        case "40" | "41" | "50":
            return group(ICMS40=group.Icms40(orig=tax.origin, CST=tax.icms_code))
        case "60":
            return group(ICMS60=group.Icms60(orig=tax.origin, CST="60"))
        case "90":
            return group(ICMS90=group.Icms90(orig=tax.origin, CST="90", **_reduced(tax), **charged))
        case "101":
            return group(ICMSSN101=group.Icmssn101(orig=tax.origin, CSOSN="101", **credit))
        case "500":
            return group(ICMSSN500=group.Icmssn500(orig=tax.origin, CSOSN="500"))
        case "900":
            own = charged if tax.icms_rate else {}
            return group(ICMSSN900=group.Icmssn900(orig=tax.origin, CSOSN="900", **own, **_credited(tax, credit)))
        case _:
            return group(ICMSSN102=group.Icmssn102(orig=tax.origin, CSOSN=tax.icms_code))


def _reduced(tax: ItemTax) -> dict[str, str]:
    return {"pRedBC": rate(tax.icms_reduction)} if tax.icms_reduction else {}


def _credited(tax: ItemTax, credit: dict[str, str]) -> dict[str, str]:
    return credit if tax.simples_credit_rate else {}


def _simples_credit(item: InvoiceItem) -> Decimal:
    return cents(taxable_value(item) * item.tax.simples_credit_rate / 100)


def _contribution(group: Any, name: str, code: str, percent: Decimal, base: Decimal, amount: Decimal) -> Any:
    """PIS or COFINS: by rate (CST 01, 02), untaxed (04 to 09) or other (49 to 99)."""
    stem = name.capitalize()
    charged = {"vBC": str(base), f"p{name}": rate(percent), f"v{name}": str(amount)}
    if code in ("01", "02"):
        return group(**{f"{name}Aliq": getattr(group, f"{stem}aliq")(CST=code, **charged)})
    if code in ("04", "05", "06", "07", "08", "09"):
        return group(**{f"{name}NT": getattr(group, f"{stem}nt")(CST=code)})
    if not percent:
        charged = {"vBC": "0.00", f"p{name}": "0.0000", f"v{name}": "0.00"}
    return group(**{f"{name}Outr": getattr(group, f"{stem}outr")(CST=code, **charged)})


def _difal(item: InvoiceItem, amounts: ItemTaxes) -> Any:
    """ICMSUFDest: all of the difference goes to the destination since 2019 (pICMSInterPart 100).

    Raises ValueError when the operation's rate is none of the three interstate rates (SF resolutions 22/1989, 13/2012).
    """
    interstate = str(cents(item.tax.icms_rate))
    if interstate not in _INTERSTATE_RATES:
        raise ValueError(f"item {item.sku}: DIFAL needs an interstate rate of 4, 7 or 12 percent, not {interstate}")
    return _Imposto.Icmsufdest(
        vBCUFDest=str(taxable_value(item)),
        vBCFCPUFDest=str(taxable_value(item)),
        pFCPUFDest=rate(item.tax.destination_fcp_rate),
        pICMSUFDest=rate(item.tax.destination_rate or ZERO),
        pICMSInter=interstate,
        pICMSInterPart="100.0000",
        vFCPUFDest=str(amounts.destination_fcp),
        vICMSUFDest=str(amounts.destination_icms),
        vICMSUFRemet="0.00",
    )


def rate(percent: Decimal) -> str:
    return format(percent.quantize(Decimal("0.0001"), ROUND_HALF_UP), "f")
