"""PURE. What an order can be bought from: a thousand offers are usual, and each is looked at as seldom as can be."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from schemas.store import Criterion
from services.po_dispatch.catalogue import NO_OFFERS, Offer, Supplier, in_force
from services.po_dispatch.routing.criteria import Preference
from services.po_dispatch.routing.sources import Barred, Source
from services.po_dispatch.state import OrderLine, Sourcing


@dataclass(frozen=True, slots=True)
class Market:
    """What can be bought at a moment, and by which rules of the store."""

    offers: Mapping[str, Sequence[Offer]]
    """By SKU, in their own order: with stock or without, wherever they deliver to."""
    leading: Mapping[str, Sequence[Offer]]
    """Of them, where the suppliers' priority decides first, those of the suppliers of the best priority."""
    makers: Mapping[str, Supplier]
    """By id: those that we know of."""
    at_work: Set[str]
    """The active ones of them."""
    uf: str
    """Where the goods go."""
    preference: Preference
    barred: Barred = frozenset()
    """By order line and supplier, who refused it."""

    def able(self, offers: Iterable[Offer], line: OrderLine, pieces: int, suppliers: Collection[str]) -> list[Offer]:
        """Those of `suppliers`, all of them at work, that can deliver so many pieces for the line."""
        uf = self.uf
        found = [
            offer
            for offer in offers
            if offer.supplier_id in suppliers
            and offer.stock >= pieces
            and offer.active
            and (not offer.ufs or uf in offer.ufs)
        ]
        return [o for o in found if (line.line, o.supplier_id) not in self.barred] if self.barred else found

    def is_offered(self, sku: str) -> bool:
        """Where the goods go, with stock or without, by whomever."""
        return any(
            offer.active and offer.supplier_id in self.at_work and (not offer.ufs or self.uf in offer.ufs)
            for offer in self.offers[sku]
        )

    def source(self, offer: Offer) -> Source:
        return Source(offer, self.makers.get(offer.supplier_id))


def market_of(
    skus: Iterable[str], reference: Sourcing, now: datetime, uf: str, criteria: Iterable[Criterion]
) -> Market:
    """Of what is in force."""
    current = {id: in_force(versions, now) for id, versions in reference.suppliers.items()}
    makers = {id: supplier for id, supplier in current.items() if supplier is not None}
    at_work = {id for id, supplier in makers.items() if supplier.active}
    offers = {sku: reference.offers.get(sku, NO_OFFERS).in_force(sku, now) for sku in skus}
    preference = Preference(criteria, {id: supplier.priority for id, supplier in makers.items()})
    leading = {sku: preference.leading(every) for sku, every in offers.items()}
    return Market(offers, leading, makers, at_work, uf, preference)
