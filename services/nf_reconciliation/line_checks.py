"""PURE. An S2's lines and totals against the purchase order: products, units, quantities, prices, surcharges."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

from schemas.purchase_order import PoLine
from schemas.supplier import Tolerance
from schemas.values import Problem
from services.nf_reconciliation.document_fields import Line, Totals

_CENT = Decimal("0.01")
_NO_FACTORS: Mapping[str, Decimal] = {}
_NOTHING: Mapping[int, Decimal] = {}


def lines_for(lines: Iterable[Line], po_number: str) -> tuple[Line, ...]:
    """The lines of an S2 that may be this PO's: those that cite it, and those that cite none."""
    return tuple(line for line in lines if line.po_number in (None, po_number))


def matching_po_line(line: Line, po_lines: Iterable[PoLine], po_number: str | None = None) -> PoLine | None:
    """The PO line that `line` invoices: by nItemPed when it cites this PO, else by the supplier's SKU, else by GTIN."""
    candidates = tuple(po_lines)
    if line.po_line is not None and po_number in (None, line.po_number):
        return next((po_line for po_line in candidates if po_line.line == line.po_line), None)
    by_sku = next((po_line for po_line in candidates if po_line.supplier_sku == line.sku), None)
    by_gtin = (po_line for po_line in candidates if line.gtin is not None and po_line.gtin == line.gtin)
    return by_sku or next(by_gtin, None)


def quantity_in_po_unit(line: Line, unit: str, factors: Mapping[str, Decimal] = _NO_FACTORS) -> Decimal | None:
    """Quantity of `line` in the PO's unit: as sold, as taxed (uTrib), or by the supplier's factors; None if unknown."""
    if line.unit.upper() == unit.upper():
        return line.quantity
    if line.taxable_unit.upper() == unit.upper():
        return line.taxable_quantity
    factor = factors.get(line.unit.upper())
    return None if factor is None else line.quantity * factor


def line_problems(
    lines: Sequence[Line],
    po_lines: Sequence[PoLine],
    tolerance: Tolerance,
    *,
    po_number: str | None = None,
    already_invoiced: Mapping[int, Decimal] = _NOTHING,
    unit_factors: Mapping[str, Decimal] = _NO_FACTORS,
) -> list[Problem]:
    """Every line against its PO line. Invoicing less than was ordered is fine (a PO may be invoiced in parts).

    `already_invoiced`: quantity by PO line number that earlier S2s cover. `unit_factors`: PO units per supplier's unit.
    """
    problems: list[Problem] = []
    invoiced = dict(already_invoiced)
    for line in lines:
        problems += _arithmetic_problems(line)
        po_line = matching_po_line(line, po_lines, po_number)
        if po_line is None:
            problems.append(Problem(code="line_not_ordered", where=f"det[{line.number}]/prod/cProd", found=line.sku))
            continue
        problems += _product_problems(line, po_line)
        quantity = quantity_in_po_unit(line, po_line.unit, unit_factors)
        if quantity is None:
            where = f"det[{line.number}]/prod/uCom"
            problems.append(Problem(code="wrong_unit", where=where, expected=po_line.unit, found=line.unit))
            continue
        invoiced[po_line.line] = invoiced.get(po_line.line, Decimal(0)) + quantity
        problems += _quantity_problems(line, po_line, invoiced[po_line.line])
        problems += _price_problems(line, po_line, quantity, tolerance)
    return problems


def total_problems(
    totals: Totals, lines: Iterable[Line], tolerance: Tolerance, expected: Mapping[str, Decimal]
) -> list[Problem]:
    """Every component of vNF against the PO. `expected` says what was agreed, by the names of `Totals` (at least
    `products`, the net cost of the goods); a component it does not name is expected to be zero.
    """
    problems = [*_sum_problems(totals, tuple(lines))]
    components = {name: amount for name, amount in totals if name not in ("products", "discount", "document")}
    net = {"products": totals.products - totals.discount}
    for name, found in (net | components | {"document": totals.document}).items():
        agreed = expected.get(name, Decimal(0)) if name != "document" else expected_document(expected)
        if not within(agreed, found, tolerance):
            code = "total_differs" if name in ("products", "document") else "surcharge"
            problems.append(
                Problem(code=code, where=f"total/ICMSTot: {name}", expected=_text(agreed), found=_text(found))
            )
    return problems


def expected_document(expected: Mapping[str, Decimal]) -> Decimal:
    """vNF of what was agreed: goods plus surcharges, less relieved ICMS."""
    return sum((-amount if name == "icms_relieved" else amount for name, amount in expected.items()), Decimal(0))


def within(expected: Decimal, found: Decimal, tolerance: Tolerance) -> bool:
    """Both bounds must hold: percent keeps small amounts honest, absolute keeps large ones. Less than half a cent is
    rounding, not a difference.
    """
    difference = abs(expected.quantize(_CENT, ROUND_HALF_UP) - found.quantize(_CENT, ROUND_HALF_UP))
    return not difference or (
        difference <= tolerance.absolute and difference * 100 <= tolerance.percent * abs(expected)
    )


def _arithmetic_problems(line: Line) -> list[Problem]:
    """vProd = qCom × vUnCom, to the cent either way (SEFAZ's rule I11-10 grants as much)."""
    product = line.quantity * line.unit_price
    if abs(product - line.total) <= _CENT:
        return []
    where = f"det[{line.number}]/prod/vProd"
    return [
        Problem(code="line_arithmetic", where=where, expected=_text(product.quantize(_CENT)), found=_text(line.total))
    ]


def _product_problems(line: Line, po_line: PoLine) -> list[Problem]:
    where = f"det[{line.number}]/prod"
    same_gtin = line.gtin is not None and line.gtin == po_line.gtin
    problems = []
    if line.sku != po_line.supplier_sku and not same_gtin:
        problems.append(
            Problem(code="wrong_product", where=f"{where}/cProd", expected=po_line.supplier_sku, found=line.sku)
        )
    if line.gtin is not None and po_line.gtin is not None and not same_gtin:
        problems.append(Problem(code="wrong_gtin", where=f"{where}/cEAN", expected=po_line.gtin, found=line.gtin))
    if line.ncm != po_line.ncm:
        problems.append(Problem(code="wrong_ncm", where=f"{where}/NCM", expected=po_line.ncm, found=line.ncm))
    return problems


def _quantity_problems(line: Line, po_line: PoLine, invoiced: Decimal) -> list[Problem]:
    if invoiced <= po_line.quantity:
        return []
    where = f"det[{line.number}]/prod/qCom"
    return [
        Problem(code="quantity_exceeded", where=where, expected=f"at most {po_line.quantity}", found=_text(invoiced))
    ]


def _price_problems(line: Line, po_line: PoLine, quantity: Decimal, tolerance: Tolerance) -> list[Problem]:
    """What the line costs net of its discount against quantity × the PO's unit cost, either way."""
    agreed, found = quantity * po_line.unit_cost, line.total - line.discount
    if within(agreed, found, tolerance):
        return []
    where = f"det[{line.number}]/prod/vProd"
    return [Problem(code="price_differs", where=where, expected=_text(agreed.quantize(_CENT)), found=_text(found))]


def _sum_problems(totals: Totals, lines: tuple[Line, ...]) -> list[Problem]:
    """The document's own sums. ICMS relieved is subtracted from vNF or not (indDeduzDeson, NT 2023.004)."""
    products = sum((line.total for line in lines if line.counts), Decimal(0))
    gross = (
        totals.products - totals.discount + totals.freight + totals.insurance + totals.other
        + totals.import_duty + totals.ipi + totals.ipi_returned + totals.st + totals.fcp_st
    )  # fmt: skip
    problems = []
    if products != totals.products:
        problems.append(_sum_problem("vProd", products, totals.products))
    if totals.document not in (gross, gross - totals.icms_relieved):
        problems.append(_sum_problem("vNF", gross - totals.icms_relieved, totals.document))
    return problems


def _sum_problem(name: str, expected: Decimal, found: Decimal) -> Problem:
    return Problem(code="total_arithmetic", where=f"total/ICMSTot/{name}", expected=_text(expected), found=_text(found))


def _text(amount: Decimal) -> str:
    return format(amount, "f")
