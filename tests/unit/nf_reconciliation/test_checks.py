"""Each check of DOMAIN §5 against a real document with one thing wrong: its code, and no other."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.purchase_order import PoLine
from schemas.supplier import Tolerance
from schemas.values import Problem
from services.nf_reconciliation.checks import document_problems, kind_of, payable, remittance_problems, sale_warnings
from services.nf_reconciliation.document import read
from services.nf_reconciliation.document_fields import Document, Line
from services.nf_reconciliation.line_checks import (
    line_problems,
    lines_for,
    matching_po_line,
    quantity_in_po_unit,
    total_problems,
    within,
)
from tests.unit.nf_builders import (
    CUSTOMER_CPF,
    ISSUED_AT,
    PO_CREATED_AT,
    issuing,
    remittance_xml,
    retailer,
    sale_xml,
    sold_line,
    supplier,
)

R_KEY = "35260711222333000181550010000005011123456780"
EXACT = Tolerance()
WIDE = Tolerance(absolute=Decimal("1.00"), percent=Decimal(5))


def document(xml: bytes) -> Document:
    found = read(xml)
    assert isinstance(found, Document), found
    return found


def sale(**changes: Any) -> Document:
    return document(sale_xml()).model_copy(update=changes)


def sale_problems(doc: Document, **overrides: Any) -> list[Problem]:
    expected: dict[str, Any] = {
        "receiver_cnpj": retailer().cnpj,
        "supplier_cnpj": supplier().cnpj,
        "po_created_at": PO_CREATED_AT,
        "environment": "1",
    }
    return document_problems(doc, **expected | overrides)


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def line(**changes: Any) -> Line:
    return sale().lines[0].model_copy(update=changes)


def po_line(**overrides: Any) -> PoLine:
    fields: dict[str, Any] = {
        "line": 1,
        "order_line": 1,
        "offer_id": "offer-1",
        "sku": "LP-9",
        "supplier_sku": "FS-77",
        "gtin": "7891234567895",
        "name": "Pastilha",
        "ncm": "87083090",
        "unit": "UN",
        "quantity": 2,
        "unit_cost": Decimal("19.9025"),
        "total": Decimal("39.81"),
    }
    return PoLine(**fields | overrides)


def test_sale_of_the_right_parties_has_no_problem() -> None:
    doc = sale()
    assert sale_problems(doc) == []
    assert kind_of(doc) == "sale"
    assert codes(sale_warnings(doc)) == ["s1_not_cited"]


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        ({"environment": "2"}, "wrong_environment", "ide/tpAmb"),
        ({"purpose": "4"}, "wrong_purpose", "ide/finNFe"),
        ({"protocol": None}, "protocol_missing", "protNFe"),
        ({"code": "00000000"}, "key_disagrees", "ide/cNF"),
        ({"number": 7}, "key_disagrees", "ide/nNF"),
        ({"series": 2}, "key_disagrees", "ide/serie"),
        ({"uf_code": "41"}, "key_disagrees", "ide/cUF"),
        ({"emission_type": "6"}, "key_disagrees", "ide/tpEmis"),
        ({"issued_at": ISSUED_AT + timedelta(days=30)}, "key_disagrees", "ide/dhEmi"),
        ({"nature": "DEVOLUCAO DE COMPRA"}, "wrong_nature", "ide/natOp"),
    ],
)
def test_sale_with_one_wrong_field_has_that_problem_only(change: dict[str, Any], code: str, where: str) -> None:
    [problem] = sale_problems(sale(**change))
    assert (problem.code, problem.where) == (code, where)
    assert problem.expected


def test_key_with_a_wrong_digit_is_invalid_and_disagrees() -> None:
    doc = sale()
    key = doc.access_key[:-1] + str((int(doc.access_key[-1]) + 1) % 10)
    found = sale_problems(doc.model_copy(update={"access_key": key}))
    assert codes(found) == ["invalid_access_key", "key_disagrees", "protocol_key_differs"]


@pytest.mark.parametrize("status", ["101", "110", "204", "301"])
def test_status_that_does_not_authorise_is_a_problem(status: str) -> None:
    protocol = sale().protocol
    assert protocol is not None
    assert codes(sale_problems(sale(protocol=protocol.model_copy(update={"status": status})))) == ["not_authorised"]


def test_document_authorised_late_is_fine() -> None:
    protocol = sale().protocol
    assert protocol is not None
    assert sale_problems(sale(protocol=protocol.model_copy(update={"status": "150"}))) == []


def test_other_parties_and_an_early_date_are_problems() -> None:
    later = ISSUED_AT + timedelta(hours=1)
    found = sale_problems(sale(), receiver_cnpj="x", supplier_cnpj="y", po_created_at=later)
    assert codes(found) == ["wrong_issuer", "wrong_receiver", "issued_too_early"]


def test_clock_a_few_minutes_behind_is_forgiven() -> None:
    assert sale_problems(sale(), po_created_at=ISSUED_AT + timedelta(minutes=4)) == []


@pytest.mark.parametrize(
    ("supplier_uf", "retailer_uf", "delivery_uf", "cfop"),
    [("SP", "SP", "MG", "5119"), ("PR", "SP", "SP", "6119"), ("SP", "GO", "SP", "5119"), ("SP", "GO", "MG", "6119")],
)
def test_cfop_of_the_sale_follows_the_three_states(
    supplier_uf: str, retailer_uf: str, delivery_uf: str, cfop: str
) -> None:
    xml = sale_xml(issuing=issuing(supplier(supplier_uf)), retailer=retailer(retailer_uf), delivery_uf=delivery_uf)
    doc = document(xml)
    assert doc.lines[0].cfop == cfop
    assert sale_problems(doc, delivery_uf=delivery_uf) == []
    wrong = doc.lines[0].model_copy(update={"cfop": ("5" if cfop[0] == "6" else "6") + cfop[1:]})
    found = sale_problems(doc.model_copy(update={"lines": (wrong,)}), delivery_uf=delivery_uf)
    assert codes(found) == ["wrong_cfop_scope"]


def test_payable_is_the_sum_of_the_duplicatas_or_else_the_total() -> None:
    doc = sale()
    first = doc.duplicatas[0].model_copy(update={"amount": Decimal("10.00")})
    assert payable(doc.model_copy(update={"duplicatas": (first, first)})) == Decimal("20.00")
    assert payable(doc.model_copy(update={"duplicatas": ()})) == doc.totals.document


def test_plain_sale_cfop_is_the_wrong_family() -> None:
    doc = sale(lines=(line(cfop="5102"),))
    assert kind_of(doc) is None
    [problem] = sale_problems(doc)
    assert (problem.code, problem.where, problem.expected, problem.found) == (
        "wrong_cfop",
        "det[1]/prod/CFOP",
        "5118, 5119",
        "5102",
    )


def remittance_checked(doc: Document, **overrides: Any) -> list[Problem]:
    expected: dict[str, Any] = {
        "customer_tax_id": CUSTOMER_CPF,
        "supplier_cnpj": supplier().cnpj,
        "invoice_key": R_KEY,
        "invoice_issued_at": ISSUED_AT,
        "environment": "1",
    }
    return remittance_problems(doc, **expected | overrides)


def test_remittance_that_cites_the_invoice_has_no_problem() -> None:
    doc = document(remittance_xml(R_KEY))
    assert kind_of(doc) == "remittance"
    assert doc.cites == (R_KEY,)
    assert {line.cfop for line in doc.lines} == {"6923"}
    assert "numero 501, serie 1, de 20/07/2026" in doc.text
    assert remittance_checked(doc) == []


def test_remittance_of_another_invoice_or_customer_is_a_problem() -> None:
    found = remittance_checked(document(remittance_xml(R_KEY)), invoice_key="0" * 44, customer_tax_id="11144477735")
    assert codes(found) == ["wrong_receiver", "invoice_not_cited"]


def test_sale_taken_for_a_remittance_is_a_problem() -> None:
    found = remittance_checked(sale(), customer_tax_id=retailer().cnpj)
    assert "invoice_not_cited" in codes(found)
    assert "wrong_cfop" in codes(found)


def test_line_as_ordered_has_no_problem() -> None:
    assert line_problems(sale().lines, [po_line()], EXACT, po_number="PO-1042") == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sku": "FS-78", "gtin": None}, "wrong_product"),
        ({"gtin": "7890000000000"}, "wrong_gtin"),
        ({"ncm": "87089990"}, "wrong_ncm"),
        ({"unit": "CX", "taxable_unit": "CX"}, "wrong_unit"),
        ({"po_line": 9}, "line_not_ordered"),
        ({"quantity": Decimal(3), "total": Decimal("59.71")}, "quantity_exceeded"),
        ({"unit_price": Decimal(21), "total": Decimal("42.00")}, "price_differs"),
        ({"total": Decimal("39.90")}, "line_arithmetic"),
    ],
)
def test_line_with_one_wrong_field_has_that_problem(change: dict[str, Any], code: str) -> None:
    found = line_problems([line(**change)], [po_line()], WIDE, po_number="PO-1042")
    assert codes(found) == [code]


def test_lines_that_together_exceed_the_order_are_a_problem() -> None:
    assert codes(line_problems([line(), line(number=2)], [po_line()], EXACT)) == ["quantity_exceeded"]
    assert codes(line_problems([line()], [po_line()], EXACT, already_invoiced={1: Decimal(1)})) == ["quantity_exceeded"]


def test_part_of_the_order_is_no_problem() -> None:
    part = line(quantity=Decimal(1), total=Decimal("19.90"))
    assert line_problems([part], [po_line()], EXACT) == []


def test_boxes_are_converted_by_tax_unit_or_by_factor() -> None:
    box = line(unit="CX", quantity=Decimal(1), taxable_unit="UN", taxable_quantity=Decimal(12))
    assert quantity_in_po_unit(box, "un") == 12
    same = box.model_copy(update={"taxable_unit": "CX"})
    assert quantity_in_po_unit(same, "UN", {"CX": Decimal(24)}) == 24
    assert quantity_in_po_unit(same, "UN") is None


def test_line_without_citation_is_found_by_sku_then_gtin() -> None:
    lines = [po_line(line=1, supplier_sku="A", gtin=None), po_line(line=2, supplier_sku="B")]
    uncited = line(po_line=None, po_number=None)
    by_sku = matching_po_line(uncited.model_copy(update={"sku": "A"}), lines)
    by_gtin = matching_po_line(uncited.model_copy(update={"sku": "?"}), lines)
    assert by_sku is not None
    assert by_gtin is not None
    assert (by_sku.line, by_gtin.line) == (1, 2)


def test_lines_of_another_order_are_left_out() -> None:
    doc = document(sale_xml(lines=(sold_line(), sold_line(po_number="PO-9"))))
    assert [one.number for one in lines_for(doc.lines, "PO-9")] == [2]


def totals_checked(change: Callable[[Document], dict[str, Any]], tolerance: Tolerance = EXACT) -> list[str]:
    doc = sale()
    totals = doc.totals.model_copy(update=change(doc))
    return codes(total_problems(totals, doc.lines, tolerance, {"products": Decimal("39.81")}))


def test_totals_as_ordered_have_no_problem() -> None:
    assert totals_checked(lambda _: {}) == []


@pytest.mark.parametrize("component", ["freight", "insurance", "other", "ipi", "st", "fcp_st"])
def test_surcharge_in_any_component_is_seen(component: str) -> None:
    found = totals_checked(lambda doc: {component: Decimal("5.00"), "document": doc.totals.document + 5}, WIDE)
    assert found == ["surcharge", "total_differs"]


def test_discount_hidden_behind_a_surcharge_is_seen() -> None:
    found = totals_checked(lambda _: {"freight": Decimal("5.00"), "discount": Decimal("5.00")}, WIDE)
    assert found == ["total_differs", "surcharge"]


def test_sums_that_do_not_add_up_are_a_problem() -> None:
    assert "total_arithmetic" in totals_checked(lambda _: {"document": Decimal("1.00")})
    assert "total_arithmetic" in totals_checked(lambda _: {"products": Decimal("1.00")})


def test_relieved_icms_may_or_may_not_be_subtracted() -> None:
    relieved = {"icms_relieved": Decimal("1.00")}
    assert "total_arithmetic" not in totals_checked(lambda _: relieved)
    assert "total_arithmetic" not in totals_checked(lambda doc: relieved | {"document": doc.totals.document - 1})


@pytest.mark.parametrize(
    ("expected", "found", "ok"),
    [
        ("100", "101", True),
        ("100", "101.01", False),
        ("10", "10.50", True),
        ("10", "10.51", False),
        ("0", "0.01", False),
    ],
)
def test_both_bounds_of_a_tolerance_must_hold(expected: str, found: str, ok: bool) -> None:
    assert within(Decimal(expected), Decimal(found), WIDE) is ok
