"""What is known of an order's POs: facts that only grow, the same in whatever order they arrive."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal, Self

from schemas.model import Model
from schemas.nota_fiscal import SupplierNfMatched
from schemas.purchase_order import PoLine
from schemas.values import Amount, Id, Time

Milestone = Literal["created", "sent", "confirmed", "cancelled"]


class Bought(Model):
    """So much of a line of the customer's order: as it was ordered, and what is left of that."""

    order_line: int
    ordered: int
    quantity: int


class SupplierNf(Model):
    """An S2 that matched: the PO's lines that were open after it, and what it covers."""

    open_lines: tuple[int, ...]
    quantities: Mapping[int, Decimal] = {}


class Shipment(Model):
    """What is known of one shipment; each time is the earliest that was told, of a problem and its end the latest."""

    dispatched_at: Time | None = None
    problem_at: Time | None = None
    resumed_at: Time | None = None
    delivered_at: Time | None = None
    was_last_to_leave: bool = True
    """After it nothing of its PO was left to leave. Of what was kept before anybody said this: it was."""
    was_last_to_arrive: bool = True

    @property
    def is_in_trouble(self) -> bool:
        if self.problem_at is None or self.delivered_at is not None:
            return False
        return self.resumed_at is None or self.resumed_at <= self.problem_at


_LATEST = ("problem_at", "resumed_at")


class Invoice(Model):
    """An R: the POs that it bills, and whether it was cancelled, which may be heard of first."""

    po_ids: tuple[Id, ...]
    cancelled: bool = False
    cancellable_until: Time | None = None
    total: Amount | None = None


class PurchaseOrder(Model):
    """What is known of one PO. Milestones that came before `purchase_order.created` are kept all the same."""

    po_number: Id | None = None
    supplier_id: Id | None = None
    prepaid: bool = False
    milestones: Mapping[Milestone, Time] = {}
    lines: Mapping[int, Bought] | None = None
    """By its own line numbers; None while nobody named them. Refusals make quantities smaller, never larger."""
    supplier_nfs: Mapping[str, SupplierNf] = {}
    """By access key."""
    handed_over: tuple[str, ...] = ()
    """Keys of the R's that reached the supplier."""
    remitted: tuple[str, ...] = ()
    """Keys of the R's that a matching S1 cites."""
    shipments: Mapping[str, Shipment] = {}
    rest_left: bool = False
    """All that remained of it after a refusal had left by then."""
    rest_arrived: bool = False
    """It had arrived, too."""

    def reached(self, milestone: Milestone, at: datetime) -> Self:
        """With this milestone; of two times that were told, the earlier one holds."""
        known = self.milestones.get(milestone, at)
        return self.model_copy(update={"milestones": {**self.milestones, milestone: min(known, at)}})

    def with_lines(self, said: Iterable[PoLine]) -> Self:
        """With a word on its lines: of two words the smaller quantity holds, and a line that one does not name is 0."""
        word = {
            line.line: Bought(order_line=line.order_line, ordered=line.quantity, quantity=line.quantity)
            for line in said
        }
        if self.lines is None:
            return self.model_copy(update={"lines": word})
        names = sorted({*self.lines, *word})
        merged = {name: _less(self.lines.get(name), word.get(name)) for name in names}
        return self.model_copy(update={"lines": merged})

    def with_supplier_nf(self, event: SupplierNfMatched) -> Self:
        quantities: dict[int, Decimal] = {}
        for line in event.lines:
            quantities[line.po_line] = quantities.get(line.po_line, Decimal(0)) + line.quantity
        nf = SupplierNf(open_lines=event.open_lines, quantities=quantities)
        return self.model_copy(update={"supplier_nfs": {**self.supplier_nfs, event.access_key: nf}})

    def with_shipment(self, shipment_id: str, *, left: bool = False, arrived: bool = False, **times: datetime) -> Self:
        """With these times of a shipment, and whether all of its PO has left, or arrived, with it."""
        known = self.shipments.get(shipment_id) or Shipment(was_last_to_leave=False, was_last_to_arrive=False)
        update: dict[str, object] = {
            name: (max if name in _LATEST else min)(getattr(known, name) or at, at) for name, at in times.items()
        }
        update["was_last_to_leave"] = known.was_last_to_leave or left or arrived
        update["was_last_to_arrive"] = known.was_last_to_arrive or arrived
        return self.model_copy(update={"shipments": {**self.shipments, shipment_id: known.model_copy(update=update)}})

    @property
    def is_void(self) -> bool:
        """Whether nothing of it will come: cancelled, or all of it refused."""
        nothing_left = self.lines is not None and not any(line.quantity for line in self.lines.values())
        return "cancelled" in self.milestones or nothing_left

    @property
    def is_open(self) -> bool:
        """Whether it is one of the order's POs now."""
        return "created" in self.milestones and not self.is_void

    def bought(self, order_line: int) -> int:
        """How many pieces of this line of the order it brings now."""
        return 0 if self.is_void else sum(b.quantity for b in self._of(order_line))

    def lost(self, order_line: int) -> int:
        """How many pieces of this line of the order it was to bring and does not."""
        return sum(b.ordered for b in self._of(order_line)) - self.bought(order_line)

    def _of(self, order_line: int) -> list[Bought]:
        return [bought for bought in (self.lines or {}).values() if bought.order_line == order_line]

    @property
    def is_supplied(self) -> bool:
        """Whether its S2's cover what it consists of now."""
        if not self.supplier_nfs or self.lines is None:
            return any(not nf.open_lines for nf in self.supplier_nfs.values())
        return all(self._covers(number, line.quantity) for number, line in self.lines.items() if line.quantity)

    def _covers(self, number: int, quantity: int) -> bool:
        nfs = self.supplier_nfs.values()
        return any(number not in nf.open_lines for nf in nfs) or (
            sum(nf.quantities.get(number, Decimal(0)) for nf in nfs) >= quantity
        )

    @property
    def has_left(self) -> bool:
        """Whether its parcels cover its goods."""
        return self.rest_left or any(shipment.was_last_to_leave for shipment in self.shipments.values())

    @property
    def is_in_trouble(self) -> bool:
        """Whether one of its parcels met with a problem on its way."""
        return any(shipment.is_in_trouble for shipment in self.shipments.values())

    @property
    def waits_for_nothing_else(self) -> bool:
        """Whether each of its parcels has arrived or is in trouble."""
        return all(shipment.delivered_at or shipment.is_in_trouble for shipment in self.shipments.values())

    @property
    def delivered_at(self) -> datetime | None:
        """When the last of its goods were delivered; None while something is on its way, or has not left. Where all
        that remains of it has arrived, by po_dispatch's word, nobody waits for the other parcels."""
        times = [shipment.delivered_at for shipment in self.shipments.values()]
        known = [time for time in times if time is not None]
        if self.rest_arrived:
            return max(known, default=None)
        whole = any(shipment.was_last_to_arrive for shipment in self.shipments.values())
        return max(known) if whole and len(known) == len(times) else None


def _less(one: Bought | None, other: Bought | None) -> Bought:
    named = one or other
    assert named is not None  # one of the two words names the line
    ordered = max(one.ordered if one else 0, other.ordered if other else 0)
    quantity = min(one.quantity if one else 0, other.quantity if other else 0)
    return Bought(order_line=named.order_line, ordered=ordered, quantity=quantity)
