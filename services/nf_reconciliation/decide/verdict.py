"""All POs have answered, or one disagrees: the NF is matched or diverged as a whole, and settles with its POs."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time
from decimal import Decimal

from schemas.decision import Answered, Call, Context, Decision, Outcome, Refused, unchanged
from schemas.model import Message
from schemas.nota_fiscal import (
    Installment,
    NfMatchAnswered,
    NfMatchSettled,
    RemittanceNfDiverged,
    RemittanceNfMatched,
    SupplierNfDiverged,
    SupplierNfMatched,
)
from schemas.values import Problem
from services.nf_reconciliation.checks import payable, sale_warnings
from services.nf_reconciliation.document_fields import Document, Duplicata
from services.nf_reconciliation.line_checks import total_problems, within
from services.nf_reconciliation.sharing import shares
from services.nf_reconciliation.state import BookSupplierNf, NotaFiscal, SupplierNfBooked


def on_match_answered(nf: NotaFiscal | None, event: NfMatchAnswered, ctx: Context[None]) -> Outcome[NotaFiscal]:
    if nf is None or nf.document is None or event.po_number not in nf.asked:
        return Refused("not_asked", f"{event.access_key} has asked PO {event.po_number} nothing")
    if event.po_number in nf.answers:
        return unchanged(nf)
    answered = nf.with_answer(event)
    if nf.status == "diverged":
        return Decision(answered, [_diverged_fact(nf, event.order_id, event.po_number)])
    if event.problems:
        return diverged(answered, event.problems, _answered_orders(answered))
    if len(answered.answers) < len(nf.asked):
        return Decision(answered)
    if nf.kind == "remittance":
        return _remittance_matched(answered, nf.document)
    if problems := _whole_problems(answered, nf.document):
        return diverged(answered, problems, _answered_orders(answered))
    return _sale_matched(answered, nf.document)


def on_supplier_nf_booked(
    nf: NotaFiscal | None, event: Answered[BookSupplierNf, SupplierNfBooked], ctx: Context[None]
) -> Outcome[NotaFiscal]:
    if nf is None:
        return Refused("not_asked", f"nothing was booked for {event.request.access_key}")
    return Decision(nf.model_copy(update={"entries": {**nf.entries, event.request.po_number: event.answer.entry}}))


def diverged(nf: NotaFiscal, problems: Sequence[Problem], orders: Iterable[tuple[str, str]]) -> Decision[NotaFiscal]:
    """Held whole: every order that is known to be concerned is told, every PO that was asked gets its goods back."""
    held = nf.model_copy(update={"status": "diverged", "problems": tuple(problems)})
    assert held.document is not None
    key = held.document.access_key
    facts = [_diverged_fact(held, order_id, number) for order_id, number in orders]
    settled = [NfMatchSettled(po_number=number, access_key=key, kept=False) for number in nf.asked]
    return Decision(held, [*(facts or [_diverged_fact(held, None, None)]), *settled])


def _answered_orders(nf: NotaFiscal) -> list[tuple[str, str]]:
    return [(answer.order_id, answer.po_number) for answer in nf.answers.values()]


def _diverged_fact(nf: NotaFiscal, order_id: str | None, po_number: str | None) -> Message:
    assert nf.document is not None
    fact = SupplierNfDiverged if nf.kind == "sale" else RemittanceNfDiverged
    return fact(
        access_key=nf.document.access_key,
        supplier_id=nf.supplier_id,
        order_id=order_id,
        po_number=po_number,
        problems=nf.problems,
    )


def _whole_problems(nf: NotaFiscal, document: Document) -> list[Problem]:
    """What no single PO can see: the totals against what all of them agreed to, and the bill against the total."""
    agreed = sum((answer.agreed for answer in nf.answers.values()), Decimal(0))
    problems = total_problems(document.totals, document.lines, nf.tolerance, {"products": agreed})
    if not within(document.totals.document, payable(document), nf.tolerance):
        expected, found = str(document.totals.document), str(payable(document))
        problems.append(Problem(code="bill_differs", where="cobr/dup", expected=expected, found=found))
    return problems


def _remittance_matched(nf: NotaFiscal, document: Document) -> Decision[NotaFiscal]:
    settled = [
        NfMatchSettled(
            po_number=answer.po_number,
            access_key=document.access_key,
            kept=True,
            remittance=RemittanceNfMatched(
                order_id=answer.order_id,
                po_id=answer.po_id,
                po_number=answer.po_number,
                supplier_id=nf.supplier_id,
                access_key=document.access_key,
                invoice_key=answer.invoice_key,
                issued_at=document.issued_at,
            ),
        )
        for answer in nf.answers.values()
        if answer.invoice_key is not None
    ]
    return Decision(nf.model_copy(update={"status": "matched"}), settled)


def _sale_matched(nf: NotaFiscal, document: Document) -> Decision[NotaFiscal]:
    """In the order in which it asked the POs, so that the shares are the same whoever answered first."""
    answers = [nf.answers[number] for number in nf.asked]
    weights = [answer.agreed for answer in answers]
    bills = _bills(document, weights)
    parts = shares(document.totals.document, weights)
    settled = [
        NfMatchSettled(
            po_number=answer.po_number,
            access_key=document.access_key,
            kept=True,
            sale=_matched_fact(document, answer, bill, part),
        )
        for answer, bill, part in zip(answers, bills, parts, strict=True)
    ]
    calls = [
        Call("erp", _booking(document, answer, part))
        for answer, part in zip(answers, parts, strict=True)
        if answer.has_erp
    ]
    return Decision(nf.model_copy(update={"status": "matched"}), settled, calls)


def _matched_fact(
    document: Document, answer: NfMatchAnswered, bill: tuple[Installment, ...], part: Decimal
) -> SupplierNfMatched:
    """`bill`: the duplicatas' parts that are this PO's; `part`: its part of vNF, owed where there are none."""
    return SupplierNfMatched(
        order_id=answer.order_id,
        po_id=answer.po_id,
        po_number=answer.po_number,
        supplier_id=answer.supplier_id,
        access_key=document.access_key,
        series=document.series,
        number=document.number,
        issued_at=document.issued_at,
        total=document.totals.document,
        payable=sum((one.amount for one in bill), Decimal("0.00")) if bill else part,
        installments=bill,
        lines=answer.lines,
        warnings=tuple(sale_warnings(document)),
    )


def _bills(document: Document, weights: Sequence[Decimal]) -> list[tuple[Installment, ...]]:
    """Every PO's part of every duplicata, one tuple per PO."""
    owed = [duplicata for duplicata in document.duplicatas if duplicata.amount]
    split = [shares(duplicata.amount, weights) for duplicata in owed]
    return [
        tuple(
            Installment(number=duplicata.number.strip() or f"{n:03d}", due=_due(duplicata, document), amount=parts[po])
            for n, (duplicata, parts) in enumerate(zip(owed, split, strict=True), 1)
        )
        for po in range(len(weights))
    ]


def _due(duplicata: Duplicata, document: Document) -> datetime:
    """The start of the day in the document's own time; the day of issue where none is named."""
    day = duplicata.due or document.issued_at.date()
    return datetime.combine(day, time(0), document.issued_at.tzinfo)


def _booking(document: Document, answer: NfMatchAnswered, part: Decimal) -> BookSupplierNf:
    within_state = answer.lines[0].cfop.startswith("5")
    return BookSupplierNf(
        access_key=document.access_key,
        po_number=answer.po_number,
        cfop="1118" if within_state else "2118",
        amount=part,
    )
