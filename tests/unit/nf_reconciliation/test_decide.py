"""The decisions together, by the service's own table: what an S2, an R and an S1 come to, in any order."""

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.model import Message
from schemas.nota_fiscal import (
    NfMatchAnswered,
    NfMatchRequested,
    NfMatchSettled,
    RemittanceNfDiverged,
    RemittanceNfMatched,
    SupplierNfDiverged,
    SupplierNfMatched,
    SupplierNfRefused,
)
from schemas.supplier import Tolerance
from services.nf_reconciliation.__main__ import NF, PO
from services.nf_reconciliation.reading import document_of
from services.nf_reconciliation.state import BookSupplierNf, SupplierNfBooked
from tests.unit.nf_builders import (
    BRASILIA,
    ISSUED_AT,
    issuing,
    remittance_xml,
    retailer,
    sale_xml,
    sold_line,
    supplier,
)
from tests.unit.nf_reconciliation import builders
from tests.unit.nf_reconciliation.builders import (
    OTHER,
    invoice_issued,
    invoice_of,
    nf_issued,
    po_created,
    po_line,
    s1,
    s2,
    silent,
    store_changed,
    supplier_changed,
)
from tests.unit.nf_reconciliation.harness import Desk

WORLD: tuple[Message, ...] = (store_changed(), supplier_changed())
FLOW: tuple[Message, ...] = (po_created(), nf_issued(s2()), invoice_issued(), nf_issued(s1()))


def codes(fact: Any) -> list[str]:
    return [problem.code for problem in fact.problems]


def key_of(xml: bytes) -> str:
    return document_of(nf_issued(xml).xml).access_key  # type: ignore[union-attr]


@pytest.mark.parametrize(("own_make", "cfop", "expected"), [(True, "5118", "5119"), (False, "5119", "5118")])
def test_s2_says_whether_the_supplier_makes_the_goods_or_resells_them(own_make: bool, cfop: str, expected: str) -> None:
    """As the supplier was when it issued the NF: what it is since is for later ones."""
    then = supplier_changed(own_make=own_make)
    now = supplier_changed(own_make=not own_make, valid_from=ISSUED_AT + timedelta(minutes=1))
    [matched] = Desk(store_changed(), then, now, po_created(), nf_issued(s2(own_make=own_make))).facts
    assert isinstance(matched, SupplierNfMatched)
    assert {line.cfop for line in matched.lines} == {cfop}
    [diverged] = Desk(store_changed(), then, po_created(), nf_issued(s2(own_make=not own_make))).facts
    assert isinstance(diverged, SupplierNfDiverged)
    assert [(p.code, p.expected, p.found) for p in diverged.problems] == [("wrong_cfop", cfop, expected)]


@pytest.mark.parametrize(("placed", "bookings"), [(timedelta(days=-40), 0), (timedelta(hours=-1), 1)])
def test_s2_is_booked_in_the_erp_that_the_store_had_when_the_customer_ordered(placed: timedelta, bookings: int) -> None:
    """It has one since a day before the PO was made."""
    made = po_created().created_at
    old = store_changed(valid_from=made - timedelta(days=90), has_erp=False)
    new = store_changed(valid_from=made - timedelta(days=1))
    desk = Desk(old, new, supplier_changed(), po_created(placed_at=made + placed), nf_issued(s2()))
    assert len([call for call in desk.calls if isinstance(call.request, BookSupplierNf)]) == bookings


def test_s2_of_a_known_po_matches_with_all_that_billing_needs() -> None:
    desk = Desk(*WORLD, po_created(), nf_issued(s2()))
    [fact] = desk.facts
    assert isinstance(fact, SupplierNfMatched)
    assert (fact.order_id, fact.po_id, fact.po_number) == ("order-1", "id-of-PO-1042", builders.PO)
    assert (fact.total, fact.payable, fact.open_lines) == (Decimal("39.81"), Decimal("39.81"), ())
    assert fact.issued_at == ISSUED_AT
    [line] = fact.lines
    assert (line.po_line, line.order_line, line.supplier_sku, line.cfop) == (1, 1, "FS-77", "5119")
    assert (line.quantity, line.unit_cost, line.total) == (Decimal(2), Decimal("19.9025"), Decimal("39.81"))
    assert line.ncm == "87083090"
    [installment] = fact.installments
    assert (installment.amount, installment.due.isoformat()) == (Decimal("39.81"), "2026-07-20T00:00:00-03:00")
    assert [warning.code for warning in fact.warnings] == ["s1_not_cited"]


def test_s2_that_matched_is_booked_in_the_erp_of_the_store() -> None:
    desk = Desk(*WORLD, po_created(), nf_issued(s2()))
    [call] = desk.calls
    assert (call.partner, call.request) == (
        "erp",
        BookSupplierNf(access_key=key_of(s2()), po_number=builders.PO, cfop="1118", amount=Decimal("39.81")),
    )
    for _ in range(2):
        desk.answer(call, SupplierNfBooked(entry="NE1"))
        assert desk.state(NF, key_of(s2())).entries == {builders.PO: "NE1"}
    assert Desk(store_changed(has_erp=False), supplier_changed(), po_created(), nf_issued(s2())).calls == []


def test_s2_from_another_state_is_booked_as_interstate() -> None:
    company = supplier("PR")
    xml = sale_xml(issuing=issuing(company), delivery_uf="SP")
    desk = Desk(store_changed(), supplier_changed(company=company), po_created(ship_to_uf="SP"), nf_issued(xml))
    assert [call.request.cfop for call in desk.calls if isinstance(call.request, BookSupplierNf)] == ["2118"]


def test_s1_that_cites_r_matches_with_it() -> None:
    desk = Desk(*WORLD, *FLOW)
    [fact] = desk.facts_of(RemittanceNfMatched)
    assert (fact.order_id, fact.po_number, fact.invoice_key) == ("order-1", builders.PO, invoice_of().access_key)
    assert fact.access_key == key_of(s1())


@given(st.permutations([*WORLD, *FLOW, *FLOW]))
@settings(max_examples=60, deadline=None)
def test_anything_in_any_order_and_twice_matches_each_nf_exactly_once(messages: list[Message]) -> None:
    desk = Desk(*messages)
    assert [fact.access_key for fact in desk.facts_of(SupplierNfMatched)] == [key_of(s2())]
    assert [fact.access_key for fact in desk.facts_of(RemittanceNfMatched)] == [key_of(s1())]
    assert (len(desk.facts), len(desk.calls), desk.refusals, desk.waiting) == (2, 1, [], [])


@pytest.mark.parametrize("messages", [(*WORLD, *FLOW), (*WORLD, *reversed(FLOW))], ids=["in order", "reversed"])
def test_every_message_decided_twice_says_nothing_the_second_time(messages: tuple[Message, ...]) -> None:
    desk = Desk(*messages)
    facts, calls, states = list(desk.facts), list(desk.calls), dict(desk.states)
    assert {NfMatchRequested, NfMatchAnswered, NfMatchSettled} < {type(command) for command in desk.commands}
    for message in [*messages, *desk.commands]:
        desk.take(message)
    assert (desk.facts, desk.calls, desk.states, desk.refusals) == (facts, calls, states, [])


def test_s2_before_its_po_waits_in_the_state() -> None:
    desk = Desk(*WORLD, nf_issued(s2()))
    assert (desk.facts, desk.waiting) == ([], [])
    assert len(desk.state(PO, builders.PO).pending) == 1
    desk.take(po_created())
    assert len(desk.facts_of(SupplierNfMatched)) == 1


def test_s1_that_names_its_po_before_r_waits_in_the_state() -> None:
    desk = Desk(*WORLD, po_created(), nf_issued(s1()))
    assert (desk.facts, desk.waiting) == ([], [])
    desk.take(invoice_issued())
    assert len(desk.facts_of(RemittanceNfMatched)) == 1


def test_s1_that_names_only_r_waits_for_it_and_finds_its_po() -> None:
    xml = silent(s1())
    desk = Desk(*WORLD, po_created(), nf_issued(xml))
    assert len(desk.waiting) == 1
    desk.take(invoice_issued())
    assert len(desk.facts_of(RemittanceNfMatched)) == 1


def test_s2_that_names_no_po_is_matched_by_its_products() -> None:
    xml = silent(s2())
    desk = Desk(*WORLD, nf_issued(xml))
    assert len(desk.waiting) == 1
    desk.take(po_created())
    assert [fact.po_number for fact in desk.facts_of(SupplierNfMatched)] == [builders.PO]


def test_s2_that_names_no_po_and_may_be_two_diverges() -> None:
    xml = silent(s2())
    desk = Desk(*WORLD, po_created(), po_created(po_number=OTHER), nf_issued(xml))
    [fact] = desk.facts
    assert isinstance(fact, SupplierNfDiverged)
    assert codes(fact) == ["po_ambiguous"]


def test_s2_that_names_no_po_goes_to_the_one_it_fits_exactly() -> None:
    larger = po_created(po_number=OTHER, lines=(po_line(quantity=9, total="179.12"),))
    xml = silent(s2())
    desk = Desk(*WORLD, larger, po_created(), nf_issued(xml))
    assert [fact.po_number for fact in desk.facts_of(SupplierNfMatched)] == [builders.PO]


def test_other_bytes_under_the_same_key_are_refused_as_an_alarm() -> None:
    desk = Desk(*WORLD, po_created(), nf_issued(s2()), nf_issued(s2() + b"\n"))
    assert [refused.code for refused in desk.refusals] == ["other_bytes_for_same_key"]
    assert len(desk.facts) == 1


def test_nf_without_protocol_diverges_and_matches_when_it_is_sent_with_it() -> None:
    xml = s2()
    bare = builders.without_protocol(xml)
    desk = Desk(*WORLD, po_created(), nf_issued(bare), nf_issued(bare))
    [fact] = desk.facts
    assert isinstance(fact, SupplierNfDiverged)
    assert (codes(fact), fact.order_id, fact.po_number) == (["protocol_missing"], "order-1", builders.PO)
    desk.take(nf_issued(xml))
    assert len(desk.facts_of(SupplierNfMatched)) == 1


def test_nf_that_diverges_by_itself_and_overtook_its_po_is_told_with_its_order() -> None:
    bare = builders.without_protocol(s2())
    desk = Desk(*WORLD, nf_issued(bare))
    assert desk.facts == []
    desk.take(po_created())
    [fact] = desk.facts
    assert isinstance(fact, SupplierNfDiverged)
    assert (codes(fact), fact.order_id, fact.po_number) == (["protocol_missing"], "order-1", builders.PO)


def test_nf_that_diverges_by_itself_and_cites_a_po_that_never_was_is_told_without_an_order_after_a_while() -> None:
    desk = Desk(*WORLD, nf_issued(builders.without_protocol(s2())))
    desk.late = timedelta(minutes=10)
    desk.take(po_created(po_number="PO-OTHER"))
    [fact] = desk.facts_of(SupplierNfDiverged)
    assert (codes(fact), fact.order_id, fact.po_number) == (["protocol_missing"], None, None)


@pytest.mark.parametrize("xml", [b"%PDF-1.7", b"<a>", b""])
def test_unreadable_bytes_are_refused_once(xml: bytes) -> None:
    desk = Desk(*WORLD, nf_issued(xml), nf_issued(xml))
    [fact] = desk.facts
    assert isinstance(fact, SupplierNfRefused)
    assert (fact.supplier_id, fact.access_key, codes(fact)) == ("farol-sul", None, ["not_xml"])


def test_text_that_is_not_base64_is_refused() -> None:
    desk = Desk(*WORLD, nf_issued(b"").model_copy(update={"xml": "A"}))
    assert [codes(fact) for fact in desk.facts] == [["not_base64"]]


def test_nf_for_another_company_is_refused_once() -> None:
    stranger = retailer().model_copy(update={"cnpj": "11444777000161"})
    xml = nf_issued(sale_xml(retailer=stranger))
    desk = Desk(*WORLD, po_created(), xml, xml)
    [fact] = desk.facts
    assert isinstance(fact, SupplierNfRefused)
    assert codes(fact) == ["not_for_us"]


def test_nf_of_another_issuer_is_refused_and_does_not_block_the_right_one() -> None:
    other = supplier_changed(supplier_id="pecas-norte", company=supplier(cnpj="11444777000161"))
    desk = Desk(*WORLD, other, po_created(), nf_issued(s2(), "pecas-norte"), nf_issued(s2()))
    refused, matched = desk.facts
    assert isinstance(refused, SupplierNfRefused)
    assert (refused.supplier_id, codes(refused)) == ("pecas-norte", ["wrong_issuer"])
    assert isinstance(matched, SupplierNfMatched)


def test_nf_before_its_supplier_or_any_store_is_known_waits() -> None:
    desk = Desk(nf_issued(s2()))
    assert (desk.facts, len(desk.waiting)) == ([], 1)
    desk.take(supplier_changed())
    assert (desk.facts, len(desk.waiting)) == ([], 1)
    desk.take(store_changed())
    desk.take(po_created())
    assert len(desk.facts_of(SupplierNfMatched)) == 1


def test_s2_for_the_po_of_another_supplier_diverges() -> None:
    mine = po_created(supplier_id="pecas-norte", supplier_cnpj="11444777000161")
    [fact] = Desk(*WORLD, mine, nf_issued(s2())).facts
    assert isinstance(fact, SupplierNfDiverged)
    assert codes(fact) == ["wrong_supplier", "wrong_issuer"]


@pytest.mark.parametrize(
    ("sold", "expected"),
    [
        ({"unit_price": Decimal("21.00")}, ["price_differs"]),
        ({"quantity": Decimal(3)}, ["quantity_exceeded"]),
        ({"ncm": "87089990"}, ["wrong_ncm"]),
        ({"po_line": 9}, ["line_not_ordered"]),
    ],
)
def test_s2_with_one_thing_wrong_diverges_and_gives_the_goods_back(sold: dict[str, Any], expected: list[str]) -> None:
    wrong = nf_issued(sale_xml(lines=(sold_line(**sold),)))
    desk = Desk(*WORLD, po_created(), wrong, wrong)
    [fact] = desk.facts
    assert isinstance(fact, SupplierNfDiverged)
    assert (codes(fact), fact.order_id, fact.po_number) == (expected, "order-1", builders.PO)
    assert desk.calls == []
    desk.take(nf_issued(sale_xml(issuing=issuing(supplier(), number=46400))))
    assert len(desk.facts_of(SupplierNfMatched)) == 1, "a correct NF follows"


def test_price_within_the_suppliers_tolerance_matches() -> None:
    wide = supplier_changed(tolerance=Tolerance(absolute=Decimal("1.00"), percent=Decimal(5)))
    desk = Desk(store_changed(), wide, po_created(), nf_issued(sale_xml(lines=(sold_line(unit_price=Decimal(20)),))))
    assert [fact.payable for fact in desk.facts_of(SupplierNfMatched)] == [Decimal("40.00")]


def test_bill_above_the_documents_total_diverges() -> None:
    xml = sale_xml(instalments=((ISSUED_AT.date(), Decimal("39.81")), (ISSUED_AT.date(), Decimal("10.00"))))
    [fact] = Desk(*WORLD, po_created(), nf_issued(xml)).facts
    assert isinstance(fact, SupplierNfDiverged)
    assert "bill_differs" in codes(fact)


def test_po_invoiced_in_parts_has_open_lines_until_the_last() -> None:
    two = po_created(lines=(po_line(), po_line(line=2, order_line=2)), total="79.62")
    first = sale_xml(lines=(sold_line(po_line=2),))
    second = sale_xml(lines=(sold_line(quantity=Decimal(1)),), issuing=issuing(supplier(), number=46401))
    third = sale_xml(lines=(sold_line(quantity=Decimal(1)),), issuing=issuing(supplier(), number=46402))
    desk = Desk(*WORLD, two, nf_issued(first), nf_issued(second), nf_issued(third))
    assert [fact.open_lines for fact in desk.facts_of(SupplierNfMatched)] == [(1,), (1,), ()]


def test_quantity_that_an_earlier_nf_has_is_not_invoiced_twice() -> None:
    again = sale_xml(issuing=issuing(supplier(), number=46401))
    desk = Desk(*WORLD, po_created(), nf_issued(s2()), nf_issued(again))
    assert [codes(fact) for fact in desk.facts_of(SupplierNfDiverged)] == [["quantity_exceeded"]]


def two_pos(**other: Any) -> tuple[Message, ...]:
    return (po_created(), po_created(po_number=OTHER, order_id="order-2", lines=(po_line(**other),)))


def test_s2_of_two_pos_is_shared_to_the_cent() -> None:
    amounts = (Decimal("19.91"), Decimal("19.90"), Decimal("19.90"))
    thirds = tuple((ISSUED_AT.date() + timedelta(days=28 * n), amount) for n, amount in enumerate(amounts, 1))
    lines = (sold_line(), sold_line(po_number=OTHER, quantity=Decimal(1)))
    desk = Desk(*WORLD, *two_pos(), nf_issued(sale_xml(lines=lines, instalments=thirds)))
    one, other = desk.facts_of(SupplierNfMatched)
    assert (one.order_id, other.order_id, one.total) == ("order-1", "order-2", Decimal("59.71"))
    assert one.payable + other.payable == Decimal("59.71")
    pairs = zip(one.installments, other.installments, strict=True)
    assert tuple(mine.amount + its.amount for mine, its in pairs) == amounts
    assert other.open_lines == (1,)
    requests = [call.request for call in desk.calls if isinstance(call.request, BookSupplierNf)]
    assert [r.po_number for r in requests] == [builders.PO, OTHER]
    assert sum(request.amount for request in requests) == Decimal("59.71")


@pytest.mark.parametrize("numbers", [(builders.PO, OTHER), (OTHER, builders.PO)])
def test_s2_of_two_pos_with_one_divergent_line_is_held_whole(numbers: tuple[str, ...]) -> None:
    lines = tuple(sold_line(po_number=number) for number in numbers)
    desk = Desk(*WORLD, *two_pos(unit_cost="1.00"), nf_issued(sale_xml(lines=lines)))
    assert {type(fact) for fact in desk.facts} == {SupplierNfDiverged}
    assert {fact.order_id for fact in desk.facts_of(SupplierNfDiverged)} == {"order-1", "order-2"}
    assert desk.calls == []
    desk.take(nf_issued(sale_xml(issuing=issuing(supplier(), number=46400))))
    assert [fact.po_number for fact in desk.facts_of(SupplierNfMatched)] == [builders.PO], "its goods were given back"


def test_s2_of_two_pos_waits_for_the_one_that_is_not_created() -> None:
    lines = (sold_line(), sold_line(po_number=OTHER))
    first, second = two_pos()
    desk = Desk(*WORLD, first, nf_issued(sale_xml(lines=lines)))
    assert desk.facts == []
    desk.take(second)
    assert len(desk.facts_of(SupplierNfMatched)) == 2


def test_line_that_names_none_of_two_pos_diverges() -> None:
    lines = (sold_line(), sold_line(po_number=OTHER), sold_line(po_number="PO-1044"))
    desk = Desk(*WORLD, *two_pos(), nf_issued(silent(sale_xml(lines=lines), "PO-1044")))
    assert [codes(fact) for fact in desk.facts_of(SupplierNfDiverged)] == [["line_cites_no_po"]] * 2


def test_s1_that_cites_another_invoice_diverges() -> None:
    other = remittance_xml(invoice_of(777).access_key, lines=(sold_line(unit_price=Decimal("49.90")),))
    desk = Desk(*WORLD, *FLOW[:3], nf_issued(other))
    assert [codes(fact) for fact in desk.facts_of(RemittanceNfDiverged)] == [["invoice_not_cited"]]


def test_s1_sent_twice_under_another_number_exceeds_the_quantity() -> None:
    again = remittance_xml(invoice_of().access_key, issuing=issuing(supplier(), number=46400))
    desk = Desk(*WORLD, *FLOW, nf_issued(again))
    assert [codes(fact) for fact in desk.facts_of(RemittanceNfDiverged)] == [["quantity_exceeded"]]


def test_r_of_two_pos_is_told_to_both_whatever_came_first() -> None:
    both = invoice_issued(po_ids=(f"id-of-{builders.PO}", f"id-of-{OTHER}"))
    first, second = po_created(), po_created(po_number=OTHER)
    s1_other = remittance_xml(
        invoice_of().access_key,
        issuing=issuing(supplier(), number=46400),
        lines=(sold_line(po_number=OTHER, unit_price=Decimal("49.90")),),
    )
    desk = Desk(*WORLD, first, both, nf_issued(s1()), nf_issued(s1_other), second)
    assert [fact.po_number for fact in desk.facts_of(RemittanceNfMatched)] == [builders.PO, OTHER]


def test_invoice_whose_xml_cannot_be_read_is_refused() -> None:
    desk = Desk(*WORLD, po_created(), invoice_issued(xml="AAAA"))
    assert [refused.code for refused in desk.refusals] == ["invoice_unreadable"]


def test_po_created_again_with_other_lines_is_refused() -> None:
    desk = Desk(*WORLD, po_created(), po_created(lines=(po_line(quantity=9),)))
    assert [refused.code for refused in desk.refusals] == ["created_differently"]


def test_answer_that_nobody_asked_for_is_refused() -> None:
    answer = NfMatchAnswered(
        access_key=key_of(s2()), po_number=builders.PO, order_id="o", po_id="p", supplier_id="farol-sul"
    )
    assert [refused.code for refused in Desk(answer).refusals] == ["not_asked"]


def test_claim_that_comes_after_it_was_given_back_reserves_nothing() -> None:
    desk = Desk(*WORLD, po_created(), nf_issued(s2()))
    [request] = [command for command in desk.commands if isinstance(command, NfMatchRequested)]
    late = Desk(*WORLD, po_created(), NfMatchSettled(po_number=builders.PO, access_key=key_of(s2()), kept=False))
    late.take(request)
    assert (late.facts, late.state(PO, builders.PO).taken("sale")) == ([], {})


def test_times_of_the_document_keep_their_offset() -> None:
    [fact] = Desk(*WORLD, po_created(), nf_issued(s2())).facts_of(SupplierNfMatched)
    assert fact.issued_at.utcoffset() == BRASILIA.utcoffset(None)


def order_of_two_pos() -> tuple[Message, ...]:
    """Two POs of one order: one S2 for both, one R for both, an S1 each."""
    ids = (f"id-of-{builders.PO}", f"id-of-{OTHER}")
    sold = sold_line(po_number=OTHER, unit_price=Decimal("49.90"))
    other_s1 = remittance_xml(invoice_of().access_key, issuing=issuing(supplier(), number=46400), lines=(sold,))
    return (
        po_created(order_po_ids=ids),
        po_created(po_number=OTHER, order_po_ids=ids),
        nf_issued(s2(sold_line(), sold_line(po_number=OTHER))),
        invoice_issued(po_ids=ids),
        nf_issued(s1()),
        nf_issued(other_s1),
    )


TWO_POS = order_of_two_pos()


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_of_two_pos_matches_whatever_overtakes_what(order: Random) -> None:
    desk = Desk()
    desk.take_shuffled([*WORLD, *TWO_POS], order)
    sales, remittances = desk.facts_of(SupplierNfMatched), desk.facts_of(RemittanceNfMatched)
    assert sorted(fact.po_number for fact in sales) == [builders.PO, OTHER]
    assert sorted(fact.po_number for fact in remittances) == [builders.PO, OTHER]
    assert sum(fact.payable for fact in sales) == Decimal("79.62")
    assert [fact.open_lines for fact in sales] == [(), ()]
    assert (len(desk.facts), len(desk.calls), desk.refusals) == (4, 2, [])


@given(st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_divergent_nf_leaves_nothing_reserved_whatever_overtakes_what(order: Random) -> None:
    desk = Desk()
    desk.take_shuffled([*WORLD, *two_pos(unit_cost="1.00"), TWO_POS[2]], order)
    assert {type(fact) for fact in desk.facts} == {SupplierNfDiverged}
    assert [desk.state(PO, number).taken("sale") for number in (builders.PO, OTHER)] == [{}, {}]
    assert (desk.calls, desk.refusals) == ([], [])
    told = [fact.po_number for fact in desk.facts_of(SupplierNfDiverged)]
    assert OTHER in told, "the order whose line diverges is told"
    assert len(told) == len(set(told)), "once"
