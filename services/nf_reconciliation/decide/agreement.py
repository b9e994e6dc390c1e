"""Whether a PO agrees with what an NF claims of it: DOMAIN §5 against this PO, its R, and what is left of it."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from schemas.nota_fiscal import BilledBy, Claim, NfLine, NfMatchAnswered
from schemas.purchase_order import PoLine, PurchaseOrderCreated
from schemas.values import Problem
from services.nf_reconciliation.checks import document_problems, remittance_problems
from services.nf_reconciliation.document_fields import Document, Line
from services.nf_reconciliation.line_checks import line_problems, matching_po_line, quantity_in_po_unit
from services.nf_reconciliation.state import Promise, PurchaseOrder

PRODUCTION = "1"
"""tpAmb: a document of the homologation environment is worth nothing."""
_CENT = Decimal("0.01")
_PRICE = Decimal("1E-10")
Matched = list[tuple[Line, PoLine, Decimal]]
"""The document's lines with the PO's line of each and the quantity in the PO's unit."""


def answer(po: PurchaseOrder, claim: Claim) -> tuple[NfMatchAnswered, Promise] | None:
    """The PO's answer and what it promises thereby; None while it is not created or, for an S1, not billed."""
    created = po.current
    waits = claim.kind == "remittance" and not po.invoices and not po.void
    if created is None or waits:
        return None
    document = Document.model_validate_json(claim.document)
    if po.void:
        invoice, problems = None, [_void_problem(created)]
    elif claim.kind == "remittance":
        invoice = _cited(document, po.invoices)
        problems = _remittance_problems(po, created, claim, document, invoice)
    else:
        invoice = None
        problems = _sale_problems(po, created, claim, document)
    matched = [] if problems else _matched(document, created)
    return (
        NfMatchAnswered(
            access_key=claim.access_key,
            po_number=created.po_number,
            order_id=created.order_id,
            po_id=created.po_id,
            supplier_id=claim.supplier_id,
            problems=tuple(problems),
            lines=tuple(_nf_line(*one) for one in matched) if claim.kind == "sale" else (),
            agreed=sum((_agreed(po_line, quantity) for _, po_line, quantity in matched), Decimal("0.00")),
            has_erp=po.has_erp,
            invoice_key=invoice.invoice_key if invoice is not None else None,
        ),
        Promise(
            kind=claim.kind,
            status="released" if problems else "reserved",
            quantities=_quantities(matched),
            invoice_key=invoice.invoice_key if invoice is not None else None,
        ),
    )


def _void_problem(created: PurchaseOrderCreated) -> Problem:
    detail = "the PO was cancelled, or refused as a whole: nothing of it is to be supplied"
    return Problem(code="po_cancelled", where="det/prod/xPed", found=created.po_number, detail=detail)


def _sale_problems(po: PurchaseOrder, created: PurchaseOrderCreated, claim: Claim, document: Document) -> list[Problem]:
    return [
        *_supplier_problems(created, claim),
        *document_problems(
            document,
            receiver_cnpj=po.seller_cnpj,
            supplier_cnpj=created.supplier_cnpj,
            po_created_at=created.created_at,
            environment=PRODUCTION,
            delivery_uf=created.ship_to_uf,
            own_make=claim.own_make,
        ),
        *_quantity_problems(document.lines),
        *line_problems(
            document.lines,
            created.lines,
            claim.tolerance,
            po_number=created.po_number,
            already_invoiced=po.taken("sale"),
        ),
    ]


def _remittance_problems(
    po: PurchaseOrder, created: PurchaseOrderCreated, claim: Claim, document: Document, invoice: BilledBy
) -> list[Problem]:
    """An S1 is valued at what the customer pays, or at cost: its prices are not compared with the PO's."""
    lines = line_problems(
        document.lines,
        created.lines,
        claim.tolerance,
        po_number=created.po_number,
        already_invoiced=po.taken("remittance"),
    )
    return [
        *_supplier_problems(created, claim),
        *remittance_problems(
            document,
            customer_tax_id=invoice.customer_tax_id,
            supplier_cnpj=created.supplier_cnpj,
            invoice_key=invoice.invoice_key,
            invoice_issued_at=invoice.issued_at,
            environment=PRODUCTION,
        ),
        *_quantity_problems(document.lines),
        *(problem for problem in lines if problem.code != "price_differs"),
    ]


def _cited(document: Document, invoices: tuple[BilledBy, ...]) -> BilledBy:
    """The R that it cites, or else the last one, which it should have cited."""
    return next((invoice for invoice in invoices if invoice.invoice_key in document.cites), invoices[-1])


def _supplier_problems(created: PurchaseOrderCreated, claim: Claim) -> list[Problem]:
    if claim.supplier_id == created.supplier_id:
        return []
    return [Problem(code="wrong_supplier", where="supplier_id", expected=created.supplier_id, found=claim.supplier_id)]


def _quantity_problems(lines: Iterable[Line]) -> list[Problem]:
    """The schema lets a quantity of zero pass; such a line sells nothing."""
    return [
        Problem(code="no_quantity", where=f"det[{line.number}]/prod/qCom", expected="more than zero", found="0")
        for line in lines
        if not (line.quantity > 0 and line.taxable_quantity > 0)
    ]


def _matched(document: Document, created: PurchaseOrderCreated) -> Matched:
    """Every line; they were checked: each has its PO line, and a quantity in its unit."""
    found: Matched = []
    for line in document.lines:
        po_line = matching_po_line(line, created.lines, created.po_number)
        quantity = None if po_line is None else quantity_in_po_unit(line, po_line.unit)
        if po_line is not None and quantity is not None:
            found.append((line, po_line, quantity))
    return found


def _quantities(matched: Matched) -> dict[int, Decimal]:
    total: dict[int, Decimal] = {}
    for _, po_line, quantity in matched:
        total[po_line.line] = total.get(po_line.line, Decimal(0)) + quantity
    return total


def _agreed(po_line: PoLine, quantity: Decimal) -> Decimal:
    """To the cent line by line, as an NF is."""
    return (quantity * po_line.unit_cost).quantize(_CENT, ROUND_HALF_UP)


def _nf_line(line: Line, po_line: PoLine, quantity: Decimal) -> NfLine:
    """In the PO's unit. The total is net of the line's discount."""
    as_sold = line.unit.upper() == po_line.unit.upper()
    return NfLine(
        po_line=po_line.line,
        order_line=po_line.order_line,
        supplier_sku=po_line.supplier_sku,
        gtin=line.gtin if line.gtin == po_line.gtin else po_line.gtin,
        name=line.description,
        ncm=line.ncm,
        cfop=line.cfop,
        unit=po_line.unit,
        quantity=quantity,
        unit_cost=line.unit_price if as_sold else (line.total / quantity).quantize(_PRICE, ROUND_HALF_UP),
        total=max((line.total - line.discount).quantize(_CENT, ROUND_HALF_UP), Decimal("0.00")),
        origin=line.origin or "0",
    )
