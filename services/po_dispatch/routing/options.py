"""PURE. An order's options, found in one look at each offer: a thousand are usual."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.store import Criterion
from services.po_dispatch.catalogue import Offer, Supplier, in_force
from services.po_dispatch.routing.criteria import UNKNOWN_PRIORITY, arranged
from services.po_dispatch.routing.sources import STOCK, SUPPLIER_ID, Barred, Option
from services.po_dispatch.state import OrderLine, Sourcing


@dataclass(slots=True)
class Options:
    """Of one SKU, in no order: all, and those that deliver where the goods go, with stock or without."""

    every: list[Option]
    serving: list[Option]


@dataclass(frozen=True, slots=True)
class Market:
    """What can be bought at a moment, by SKU, and by which rules of the store."""

    options: Mapping[str, Options]
    uf: str
    """Where the goods go."""
    criteria: tuple[Criterion, ...]
    barred: Barred = frozenset()
    """By order line and supplier, who refused it."""

    def able(self, line: OrderLine, pieces: int, only: Collection[str] | None = None) -> list[Option]:
        """Those that can deliver so many pieces for the line. `only`: suppliers that may be chosen at all."""
        found = [option for option in self.options[line.sku].serving if option[STOCK] >= pieces]
        if self.barred:
            found = [option for option in found if (line.line, option[SUPPLIER_ID]) not in self.barred]
        return found if only is None else [option for option in found if option[SUPPLIER_ID] in only]


def options_of(
    skus: Iterable[str], reference: Sourcing, now: datetime, uf: str, criteria: Sequence[Criterion]
) -> dict[str, Options]:
    """By SKU, of what is in force."""
    makers = {id: in_force(versions, now) for id, versions in reference.suppliers.items()}
    return {sku: _options(sku, reference.offers.get(sku, ()), makers, now, uf, criteria) for sku in skus}


def _options(
    sku: str,
    offers: Iterable[Sequence[Offer]],
    makers: Mapping[str, Supplier | None],
    now: datetime,
    uf: str,
    criteria: Sequence[Criterion],
) -> Options:
    found, arrange = Options([], []), arranged(criteria)
    for versions in offers:
        offer = in_force(versions, now) if versions[-1].valid_from > now else versions[-1]
        if offer is None or offer.sku != sku:
            continue
        id = offer.supplier_id
        maker = makers.get(id)
        priority = UNKNOWN_PRIORITY if maker is None else maker.priority
        option: Option = (priority, offer.cost, offer.lead_time_days, offer.offer_id, id, offer.stock, offer, maker)
        if arrange is not None:
            option = arrange(option)
        found.every.append(option)
        if maker is not None and maker.active and offer.active and (not offer.ufs or uf in offer.ufs):
            found.serving.append(option)
    return found


def preferred(options: Iterable[Option]) -> Iterator[Option]:
    """The preferred ones first. Where few are asked for few are sorted: only those that the first criterion prefers."""
    by_first: dict[Any, list[Option]] = defaultdict(list)
    for option in options:
        by_first[option[0]].append(option)
    for first in sorted(by_first):
        yield from sorted(by_first[first])
