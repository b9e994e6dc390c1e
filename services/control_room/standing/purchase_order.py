"""PURE: how far a PO is, what it waits for, since when, and what happens when that does not come."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.control_room.standing.ending import TO_SETTLE, money_at_stake, undone_at
from services.control_room.standing.facts import Data, Fact, Facts, Names, count, listed, living, problems, span


@dataclass(frozen=True, slots=True)
class PoStanding:
    """One PO: what it waits for, since when, and what happens at `due` unless it comes before."""

    number: str
    supplier: str
    step: int
    """How far it has come: the least of an order's POs is what the order waits for."""
    waits: str
    since: datetime | None = None
    due: datetime | None = None
    then: str = ""


Step = tuple[int, str, datetime | None, datetime | None, str]


def purchase_orders(facts: Facts, names: Names, now: datetime) -> Iterator[PoStanding]:
    """Those that are alive, by number."""
    for po in living(facts):
        one = _One(facts, po, names)
        yield PoStanding(one.number, one.supplier, *one.step(now))


def said(po: PoStanding, now: datetime) -> str:
    """A PO's part of the sentence: what it waits for, since when, and what comes of it."""
    since = f" since {span(now - po.since)}" if po.since is not None else ""
    if po.due is None:
        return f"{po.waits}{since}"
    when = f"{po.then} in {span(po.due - now)}" if po.due > now else f"overdue by {span(now - po.due)}"
    return f"{po.waits}{since}; {when}"


class _One:
    """A PO among the facts of its order."""

    def __init__(self, facts: Facts, po: Data, names: Names) -> None:
        self._facts, self._po, self._deadlines = facts, po, names.deadlines
        self._id = po.get("po_id")
        self.supplier, self.number = names.supplier(po), str(po.get("po_number"))
        self._of = f"PO {self.number} from {self.supplier}"

    def step(self, now: datetime) -> Step:
        """The furthest first: a late message about an earlier step does not take it back."""
        return self._shipped() or self._billed() or self._supplied() or self._ordered(now)

    def _all(self, type: str) -> list[Fact]:
        return self._facts.all(type, po_id=self._id)

    def _at(self, type: str) -> datetime | None:
        return self._facts.at(type, po_id=self._id)

    def _shipped(self) -> Step | None:
        """By its parcels: it has left when one of them says that nothing is left of it, and is delivered when they
        all are."""
        left = self._all("shipment.dispatched")
        if not left:
            return None
        arrived = {data.get("shipment_id") for _, data in self._all("shipment.delivered")}
        lost = [p for _, data in self._all("purchase_order.refused") for p in listed(data, "lost_parcels")]
        gone = arrived | {parcel.get("shipment_id") for parcel in lost}
        under_way = [fact for fact in left if fact[1].get("shipment_id") not in gone]
        if trouble := self._trouble({data.get("shipment_id") for _, data in under_way}):
            return 8, f"delivery problem of PO {self.number}: {trouble[1].get('detail') or '?'}", *_from(trouble)
        if all(listed(data, "open_lines") for _, data in left):
            rest = count(listed(left[-1][1], "open_lines"))
            return 7, f"waiting for {self.supplier} to ship {rest} of PO {self.number}", left[-1][0], None, ""
        if under_way:
            parcels = len({data.get("shipment_id") for _, data in left})
            some = f"{len(under_way)} of {parcels} parcels of " if parcels > 1 else ""
            return 8, f"waiting for the carrier to deliver {some}{self._of}", *_from(under_way[-1])
        return 9, f"{self._of} was delivered", self._at("shipment.delivered"), None, ""

    def _trouble(self, under_way: set[Any]) -> Fact | None:
        """The newest problem of a parcel that has neither arrived nor gone on since."""
        for fact in reversed(self._all("shipment.problem_reported")):
            parcel = fact[1].get("shipment_id")
            resumed = self._facts.at("shipment.resumed", po_id=self._id, shipment_id=parcel)
            if parcel in under_way and (resumed is None or resumed < fact[0]):
                return fact
        return None

    def _billed(self) -> Step | None:
        """By the R's that were not cancelled."""
        cancelled = {data.get("access_key") for _, data in self._facts.all("invoice.cancelled")}

        def in_force(type: str) -> datetime | None:
            found = [at for at, data in self._all(type) if data.get("invoice_key") not in cancelled]
            return max(found, default=None)

        issued = self._issued(cancelled)
        due = issued and issued + self._deadlines.dispatch
        if (s1 := in_force("remittance_nf.matched")) is not None:
            return 7, f"waiting for {self.supplier} to ship PO {self.number}", s1, due, "alert"
        if (given := in_force("invoice.handed_over")) is not None:
            return 6, f"waiting for the remessa NF of {self._of}", given, due, "alert"
        if issued is None:
            return None
        what = f"waiting for the invoice (and the label) of PO {self.number} to reach {self.supplier}"
        return 5, what, issued, due, "alert"

    def _issued(self, cancelled: set[Any]) -> datetime | None:
        """When the R that bills the PO was issued."""
        billing = [
            at
            for at, data in self._facts.all("invoice.issued")
            if self._id in listed(data, "po_ids") and data.get("access_key") not in cancelled
        ]
        return max(billing, default=None)

    def _supplied(self) -> Step | None:
        """By the S2s, and what SEFAZ said of R."""
        if (refused := self._rejected()) and "bills_void_goods" in problems(refused):
            why = money_at_stake(self._facts, refused)
            why = f"an R in force bills what PO {self.number} replaces ({why}): {TO_SETTLE}"
            return 4, why, *_from(refused)
        if refused:
            why = f"SEFAZ rejected the invoice of PO {self.number} ({problems(refused)}): a person must correct it"
            return 4, why, *_from(refused)
        matched = self._all("supplier_nf.matched")
        if matched and not listed(matched[-1][1], "open_lines"):
            return 4, f"waiting for the invoice of PO {self.number} to be authorised", *_from(matched[-1])
        agreed = {data.get("access_key") for _, data in matched}
        wrong = self._facts.all("supplier_nf.diverged", po_number=self.number)
        wrong = [fact for fact in wrong if fact[1].get("access_key") not in agreed - {None}]
        if wrong:
            detail = f"{problems(wrong[-1])}: waiting for {self.supplier} to send a correct one, or to refuse the PO"
            return 3, f"the NF of {self._of} diverges, {detail}", *_from(wrong[-1])
        if matched:
            rest = count(listed(matched[-1][1], "open_lines"))
            return 3, f"waiting for the NF of {rest} of {self._of}", *_from(matched[-1])
        return None

    def _rejected(self) -> Fact | None:
        refused = self._facts.last("invoice.refused")
        over = [self._facts.at("invoice.issued"), undone_at(self._facts)]
        return refused if refused is not None and all(at is None or at < refused[0] for at in over) else None

    def _ordered(self, now: datetime) -> Step:
        """A supplier's silence counts from when the PO was asked to be sent: at once, or when it was paid."""
        created, paid = self._at("purchase_order.created"), self._at("supplier_payment.settled")
        if self._is_prepaid and paid is None and self._at("purchase_order.sent") is None:
            due = created and created + self._deadlines.prepayment
            what = f"waiting for the advance payment of PO {self.number} to {self.supplier}"
            return 0, what, created, due, "routed again"
        ordered = (paid or created) if self._is_prepaid else created
        end = ordered and ordered + self._deadlines.confirmation
        sent, confirmed = self._at("purchase_order.sent"), self._at("purchase_order.confirmed")
        if confirmed is not None:
            due = sent and sent + self._deadlines.supplier_nf
            return 2, f"waiting for the NF of {self._of}", confirmed, due, "alert"
        if sent is None:
            what = f"waiting for {self.supplier}'s system to take PO {self.number}"
            return 0, what, ordered, end, "routed again"
        half = ordered and ordered + self._deadlines.confirmation / 2
        then, due_at = ("reminder", half) if half is not None and half > now else ("routed again", end)
        return 1, f"waiting for {self.supplier} to confirm PO {self.number}", ordered, due_at, then

    @property
    def _is_prepaid(self) -> bool:
        terms = self._po.get("terms")
        return isinstance(terms, Mapping) and terms.get("kind") == "prepaid"


def _from(fact: Fact) -> tuple[datetime, None, str]:
    return fact[0], None, ""
