"""An NF comes in: is it a document for us, is it in order by itself, and which POs is it about."""

from collections.abc import Sequence
from datetime import timedelta

from schemas import access_key
from schemas.decision import Context, Decision, NotYet, Outcome, Refused, later, unchanged
from schemas.nota_fiscal import Claim, NfMatchRequested, SupplierNfRefused
from schemas.supplier import SupplierChanged, SupplierNfIssued
from schemas.timeline import Timeline
from schemas.values import Problem
from services.nf_reconciliation.checks import REMITTANCE_CFOPS, authority_problems, key_problems, kind_of
from services.nf_reconciliation.decide.agreement import PRODUCTION
from services.nf_reconciliation.decide.verdict import diverged
from services.nf_reconciliation.document_fields import Document, Unreadable
from services.nf_reconciliation.line_checks import lines_for
from services.nf_reconciliation.state import Kind, NotaFiscal, Received

REMEMBERED_REFUSALS = 20
PO_HEARD_WITHIN = timedelta(minutes=10)
"""A supplier may be faster than our own word of the PO; later than that, an NF cites what does not exist."""


def on_nf_issued(nf: NotaFiscal | None, event: SupplierNfIssued, ctx: Context[Received]) -> Outcome[NotaFiscal]:
    known, received = nf or NotaFiscal(), ctx.reference
    document = received.document
    if f"{event.supplier_id}/{document.sha256}" in known.refused:
        return unchanged(known)
    if isinstance(document, Unreadable):
        return _refuse(known, event, document, document.problems)
    if received.supplier is None:
        return later("supplier.changed")
    if problems := _sender_problems(document, received.supplier):
        return _refuse(known, event, document, problems)
    kind = _kind(document, received.for_a_store)
    if kind is None:
        if not received.stores_known:
            return later("store.changed")
        return _refuse(known, event, document, [_not_for_us(document)])
    if known.document is not None:
        if known.document.sha256 == document.sha256:
            return unchanged(known)
        if not _may_be_replaced(known):
            return _other_bytes(known.document, document)
    return _take(known, event, document, kind, ctx)


def _take(
    known: NotaFiscal, event: SupplierNfIssued, document: Document, kind: Kind, ctx: Context[Received]
) -> Outcome[NotaFiscal]:
    assert ctx.reference.supplier is not None
    taken = known.model_copy(
        update={
            "document": document,
            "kind": kind,
            "supplier_id": event.supplier_id,
            "tolerance": ctx.reference.supplier.current(ctx.now).tolerance,
            "own_make": ctx.reference.supplier.current(document.issued_at).own_make,
            "status": "matching",
            "problems": (),
        }
    )
    if problems := [*key_problems(document), *authority_problems(document, PRODUCTION)]:
        if _cites_unknown(document, ctx.reference) and ctx.now - ctx.cause.time < PO_HEARD_WITHIN:
            return later("purchase_order.created")
        return diverged(taken, problems, _cited_orders(document, ctx.reference))
    match _purchase_orders(document, kind, ctx.reference):
        case NotYet() as not_yet:
            return not_yet
        case Problem() as problem:
            return diverged(taken, [problem], _cited_orders(document, ctx.reference))
        case numbers:
            asked = taken.model_copy(update={"asked": numbers})
            return Decision(asked, [_request(asked, document, number) for number in numbers])


def _sender_problems(document: Document, supplier: Timeline[SupplierChanged]) -> list[Problem]:
    """Whoever sends it must have issued it; under a key that cannot be one nothing could be published about it."""
    cnpjs = {version.company.cnpj for version in supplier.versions}
    problems = []
    if not access_key.is_valid(document.access_key):
        problems.append(
            Problem(
                code="invalid_access_key",
                where="infNFe/@Id",
                expected="44 characters with the right check digit",
                found=document.access_key,
            )
        )
    if document.issuer.tax_id not in cnpjs:
        expected = " or ".join(sorted(cnpjs))
        problems.append(Problem(code="wrong_issuer", where="emit", expected=expected, found=document.issuer.tax_id))
    return problems


def _kind(document: Document, for_a_store: bool) -> Kind | None:
    """S1 by its CFOPs; what else is for a seller of ours is an S2 (perhaps with wrong CFOPs); None: neither."""
    if kind_of(document) == "remittance":
        return "remittance"
    if for_a_store:
        return "sale"
    return "remittance" if any(line.cfop[1:] in REMITTANCE_CFOPS for line in document.lines) else None


def _may_be_replaced(nf: NotaFiscal) -> bool:
    """Sent without SEFAZ's protocol it diverged, and no PO was asked: the same NF with it has other bytes."""
    return nf.status == "diverged" and nf.document is not None and nf.document.protocol is None


def _other_bytes(known: Document, found: Document) -> Refused:
    detail = f"{known.access_key} came before with SHA-256 {known.sha256}, now with {found.sha256}"
    return Refused("other_bytes_for_same_key", detail)


def _not_for_us(document: Document) -> Problem:
    return Problem(code="not_for_us", where="dest", expected="a seller of ours", found=document.receiver.tax_id)


def _refuse(
    known: NotaFiscal, event: SupplierNfIssued, document: Document | Unreadable, problems: Sequence[Problem]
) -> Decision[NotaFiscal]:
    refused = (*known.refused, f"{event.supplier_id}/{document.sha256}")[-REMEMBERED_REFUSALS:]
    key = document.access_key if isinstance(document, Document) else None
    fact = SupplierNfRefused(supplier_id=event.supplier_id, access_key=key, problems=tuple(problems))
    return Decision(known.model_copy(update={"refused": refused}), [fact])


def _purchase_orders(document: Document, kind: Kind, received: Received) -> tuple[str, ...] | Problem | NotYet:
    """Numbers of the POs that it is about: those it cites, else by the R it cites (S1) or by its products (S2)."""
    cited = tuple(_cited(document))
    if unusable := next((number for number in cited if not _usable(number)), None):
        return Problem(code="po_number_unusable", where="det/prod/xPed", found=ascii(unusable))
    silent = next((line for line in document.lines if line.po_number is None), None)
    if len(cited) > 1 and silent is not None:
        return Problem(code="line_cites_no_po", where=f"det[{silent.number}]/prod/xPed", expected=" or ".join(cited))
    numbers = cited or received.candidates
    if not cited and len(numbers) > 1:
        return Problem(code="po_ambiguous", where="det/prod/xPed", expected=" or ".join(numbers), found="nothing")
    if numbers:
        return numbers
    if kind == "remittance" and not document.cites:
        return Problem(code="invoice_not_cited", where="ide/NFref/refNFe", expected="R's key", found="nothing")
    return later("invoice.issued" if kind == "remittance" else "purchase_order.created")


def _usable(number: str) -> bool:
    return number.isprintable() and number == number.strip()


def _request(nf: NotaFiscal, document: Document, number: str) -> NfMatchRequested:
    part = document.model_copy(update={"lines": lines_for(document.lines, number)})
    claim = Claim(
        access_key=document.access_key,
        kind=nf.kind,
        supplier_id=nf.supplier_id,
        tolerance=nf.tolerance,
        own_make=nf.own_make,
        document=part.model_dump_json(),
    )
    return NfMatchRequested(po_number=number, claim=claim)


def _cited(document: Document) -> list[str]:
    return list(dict.fromkeys(line.po_number for line in document.lines if line.po_number is not None))


def _cites_unknown(document: Document, received: Received) -> bool:
    """A PO of which nothing was heard yet: its order would not learn that its NF diverges."""
    return any(number not in received.order_ids for number in _cited(document))


def _cited_orders(document: Document, received: Received) -> list[tuple[str, str]]:
    """Order and PO number of what it cites, as far as they are known."""
    return [(received.order_ids[number], number) for number in _cited(document) if number in received.order_ids]
