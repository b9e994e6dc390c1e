"""PURE. The parcels of a PO: what is in each, and what of the PO has not left, or has not arrived.

A parcel whose supplier does not say what is in it holds all that no other parcel names: so a PO whose supplier never
says has left with its first parcel.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from schemas.model import Model
from schemas.purchase_order import LostParcel, ParcelLine, PoLine
from schemas.supplier import ShippedPoLine
from schemas.values import Id, Text, Time


class Shipment(Model):
    """A parcel. One tracking code is one shipment."""

    shipment_id: Id
    carrier: Text
    tracking_code: Id
    lines: tuple[ShippedPoLine, ...] = ()
    """What is in it, as its supplier said. Empty: what no other parcel names."""
    dispatched_at: Time
    delivered_at: Time | None = None
    problem_at: Time | None = None
    """When the latest problem occurred that was told."""
    moving_at: Time | None = None
    """When, by the carrier's newest word of that, it was on its way."""
    irregular: bool = False
    """That it left too early was told."""
    lost: bool = False
    """The store gave it up: nobody waits for it any more."""

    @property
    def is_in_trouble(self) -> bool:
        """Whether the carrier's newest word on it is a problem."""
        if self.problem_at is None or self.delivered_at is not None or self.lost:
            return False
        return self.moving_at is None or self.moving_at <= self.problem_at


def named(lines: Sequence[PoLine], quantities: Mapping[int, int]) -> tuple[ParcelLine, ...]:
    """These pieces of the PO, by its line numbers, as others know them. What the PO does not have is left out."""
    return tuple(
        ParcelLine(line=line.line, order_line=line.order_line, sku=line.sku, quantity=quantities[line.line])
        for line in lines
        if quantities.get(line.line)
    )


def pieces(parcels: Iterable[Shipment]) -> Counter[int]:
    """How many pieces of which line are said to be in these."""
    said: Counter[int] = Counter()
    for line in (line for parcel in parcels for line in parcel.lines):
        said[line.line] += line.quantity
    return said


def not_left(lines: Sequence[PoLine], parcels: Sequence[Shipment]) -> dict[int, int]:
    """How many pieces of which line are in no parcel."""
    if any(not parcel.lines for parcel in parcels):
        return {}
    return _without(lines, pieces(parcels))


def not_arrived(lines: Sequence[PoLine], parcels: Sequence[Shipment]) -> tuple[int, ...]:
    """The lines of which something has not arrived. A parcel under way is waited for also where the others say that
    they hold everything: then nobody knows what is in it, and it is of all lines."""
    arrived = [parcel for parcel in parcels if parcel.delivered_at is not None]
    if not any(parcel.lines for parcel in parcels):  # nobody said: the common case
        return () if parcels and len(arrived) == len(parcels) else tuple(line.line for line in lines)
    came = pieces(arrived)
    if any(not parcel.lines for parcel in arrived):
        came += Counter(_without(lines, pieces(parcels)))
    missing = tuple(_without(lines, came))
    if not missing and len(arrived) < len(parcels):
        return tuple(line.line for line in lines)
    return missing


def lost(lines: Sequence[PoLine], parcels: Sequence[Shipment]) -> dict[int, int] | None:
    """How many pieces of which line are in parcels that did not arrive, where these are lost. None: nobody said what is
    in them, or what they say leaves nothing that was lost."""
    unnamed = {parcel.delivered_at is not None for parcel in parcels if not parcel.lines}
    if len(unnamed) > 1:
        return None
    came = pieces(parcel for parcel in parcels if parcel.delivered_at is not None)
    if unnamed == {True}:
        came += Counter(_without(lines, pieces(parcels)))
    return _without(lines, came) or None


def known_as_lost(parcels: Iterable[Shipment]) -> tuple[LostParcel, ...]:
    """These, as others know them."""
    return tuple(
        LostParcel(shipment_id=parcel.shipment_id, carrier=parcel.carrier, tracking_code=parcel.tracking_code)
        for parcel in parcels
    )


def _without(lines: Sequence[PoLine], less: Mapping[int, int]) -> dict[int, int]:
    left = {line.line: line.quantity - less.get(line.line, 0) for line in lines}
    return {line: quantity for line, quantity in left.items() if quantity > 0}
