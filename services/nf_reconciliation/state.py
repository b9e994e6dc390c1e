"""The states: an NF and what POs say to it, a PO and what NFs take of it, an order's POs; and the ERP call."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Self

from schemas.decision import Request
from schemas.model import Model
from schemas.nota_fiscal import BilledBy, Claim, NfMatchAnswered
from schemas.purchase_order import PoLine, PurchaseOrderCreated
from schemas.supplier import SupplierChanged, Tolerance
from schemas.timeline import Timeline
from schemas.values import AccessKey, Amount, Cfop, Id, Problem, Time
from services.nf_reconciliation.document_fields import Document, Unreadable

Kind = Literal["sale", "remittance"]


class NotaFiscal(Model):
    """An NF by its access key, from the first bytes that were a document for us. Before that: what was refused."""

    document: Document | None = None
    kind: Kind = "sale"
    supplier_id: str = ""
    tolerance: Tolerance = Tolerance()
    own_make: bool | None = None
    """Whether its issuer made the goods itself, by the supplier as it was when the NF was issued."""
    status: Literal["matching", "matched", "diverged"] = "matching"
    asked: tuple[str, ...] = ()
    """Numbers of the POs that it is about."""
    answers: Mapping[str, NfMatchAnswered] = {}
    """By PO number."""
    problems: tuple[Problem, ...] = ()
    entries: Mapping[str, str] = {}
    """The ERP's booking numbers by PO number."""
    refused: tuple[str, ...] = ()
    """Who sent which bytes under this key that were not for us, as `supplier/sha256`: each is refused once."""

    def with_answer(self, answer: NfMatchAnswered) -> Self:
        return self.model_copy(update={"answers": {**self.answers, answer.po_number: answer}})


class Promise(Model):
    """What a PO has promised to an NF: quantities by PO line, in the PO's unit."""

    kind: Kind
    status: Literal["reserved", "kept", "released"]
    quantities: Mapping[int, Decimal] = {}
    invoice_key: AccessKey | None = None
    """The R that an S1 cites."""


class PurchaseOrder(Model):
    """A PO by its number; until `purchase_order.created` comes only the claims that wait for it."""

    created: PurchaseOrderCreated | None = None
    """As it was at first."""
    remaining: tuple[PoLine, ...] | None = None
    """What the supplier left of it when it refused a part; None while it refused nothing."""
    refused_at: Time | None = None
    cancelled_at: Time | None = None
    seller_cnpj: str = ""
    has_erp: bool = False
    invoices: tuple[BilledBy, ...] = ()
    """R in force."""
    withdrawn: tuple[AccessKey, ...] = ()
    """Of R that were cancelled."""
    pending: tuple[Claim, ...] = ()
    promises: Mapping[str, Promise] = {}
    """By access key; those that it refused or gave back stay as `released`."""

    @property
    def current(self) -> PurchaseOrderCreated | None:
        """What an NF must agree with: the PO with the lines that it has now."""
        if self.created is None or self.remaining is None:
            return self.created
        total = sum((line.total for line in self.remaining), Decimal("0.00"))
        return self.created.model_copy(update={"lines": self.remaining, "total": total})

    @property
    def void(self) -> bool:
        """Nothing of it will be supplied: it was cancelled, or refused as a whole."""
        return self.cancelled_at is not None or self.remaining == ()

    def knows(self, access_key: str) -> bool:
        return access_key in self.promises or any(claim.access_key == access_key for claim in self.pending)

    def with_promise(self, access_key: str, promise: Promise) -> Self:
        waiting = tuple(claim for claim in self.pending if claim.access_key != access_key)
        return self.model_copy(
            update={"promises": {**self.promises, access_key: promise}, "pending": waiting},
        )

    def without_remittances(self, invoice_key: str) -> Self:
        """What S1 that cite this R were promised is free again: goods that leave are told with the R that follows."""
        promises = {
            key: promise.model_copy(update={"status": "released"}) if promise.invoice_key == invoice_key else promise
            for key, promise in self.promises.items()
        }
        return self.model_copy(update={"promises": promises})

    def taken(self, kind: Kind, statuses: Iterable[str] = ("reserved", "kept")) -> dict[int, Decimal]:
        """Quantities by line that NFs of this kind have."""
        total: dict[int, Decimal] = {}
        for promise in self.promises.values():
            if promise.kind == kind and promise.status in statuses:
                for line, quantity in promise.quantities.items():
                    total[line] = total.get(line, Decimal(0)) + quantity
        return total

    @property
    def open_lines(self) -> tuple[int, ...]:
        """Lines of which S2 that matched do not cover the whole quantity."""
        covered = self.taken("sale", ("kept",))
        lines = self.current.lines if self.current is not None else ()
        return tuple(line.line for line in lines if covered.get(line.line, Decimal(0)) < line.quantity)


class Invoice(Model):
    """An R of an order and the POs it bills."""

    billed_by: BilledBy
    po_ids: tuple[Id, ...]


class OrderPos(Model):
    """An order's POs and R, in whatever order they become known."""

    po_numbers: Mapping[str, Id] = {}
    """By PO id."""
    invoices: tuple[Invoice, ...] = ()
    cancelled: tuple[AccessKey, ...] = ()
    """Of R that were cancelled, also where that was heard before R itself."""


@dataclass(frozen=True, slots=True)
class Received:
    """What the decision on `supplier.nf_issued` knows beside its state."""

    document: Document | Unreadable
    supplier: Timeline[SupplierChanged] | None = None
    stores_known: bool = True
    for_a_store: bool = False
    """Whether the receiver sells in one of our stores."""
    order_ids: Mapping[str, str] = field(default_factory=dict)
    """Of the POs it cites that are known, by number."""
    candidates: tuple[str, ...] = ()
    """Where it cites no PO: numbers of the supplier's POs that it may be about."""


class BookSupplierNf(Request):
    """To the ERP: an S2 came in for a PO."""

    access_key: AccessKey
    po_number: Id
    cfop: Cfop
    """Of the entry: 1.118 within the state, 2.118 between states."""
    amount: Amount
    """This PO's part of vNF."""


class SupplierNfBooked(Model):
    """From the ERP: the entry's number."""

    entry: Id
