"""PURE. An order's options, found in one look at each offer: a thousand are usual."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.store import Criterion
from services.po_dispatch.catalogue import NO_OFFERS, Offer, Supplier, in_force
from services.po_dispatch.routing.criteria import Preference
from services.po_dispatch.routing.sources import Barred, Source
from services.po_dispatch.state import OrderLine, Sourcing


@dataclass(frozen=True, slots=True)
class Options:
    """Of one SKU, in no order: all, and those that deliver where the goods go, with stock or without."""

    every: Sequence[Offer]
    serving: Sequence[Offer]


@dataclass(frozen=True, slots=True)
class Market:
    """What can be bought at a moment, by SKU, and by which rules of the store."""

    options: Mapping[str, Options]
    makers: Mapping[str, Supplier]
    """By id: those that we know of."""
    uf: str
    """Where the goods go."""
    preference: Preference
    barred: Barred = frozenset()
    """By order line and supplier, who refused it."""

    def able(self, line: OrderLine, pieces: int, only: Collection[str] | None = None) -> list[Offer]:
        """Those that can deliver so many pieces for the line. `only`: suppliers that may be chosen at all."""
        found = [offer for offer in self.options[line.sku].serving if offer.stock >= pieces]
        if self.barred:
            found = [offer for offer in found if (line.line, offer.supplier_id) not in self.barred]
        return found if only is None else [offer for offer in found if offer.supplier_id in only]

    def source(self, offer: Offer) -> Source:
        return Source(offer, self.makers.get(offer.supplier_id))


def market_of(
    skus: Iterable[str], reference: Sourcing, now: datetime, uf: str, criteria: Iterable[Criterion]
) -> Market:
    """Of what is in force."""
    current = {id: in_force(versions, now) for id, versions in reference.suppliers.items()}
    makers = {id: supplier for id, supplier in current.items() if supplier is not None}
    works = {id for id, supplier in makers.items() if supplier.active}
    options: dict[str, Options] = {}
    for sku in skus:
        every = reference.offers.get(sku, NO_OFFERS).in_force(sku, now)
        serving = [o for o in every if o.active and o.supplier_id in works and (not o.ufs or uf in o.ufs)]
        options[sku] = Options(every, serving)
    preference = Preference(criteria, {id: supplier.priority for id, supplier in makers.items()})
    return Market(options, makers, uf, preference)
