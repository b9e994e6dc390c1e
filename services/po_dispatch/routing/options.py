"""PURE. An order's options, found in one look at each source: a thousand are usual."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from schemas.store import Criterion
from schemas.supplier import OfferChanged, SupplierChanged
from services.po_dispatch.routing.criteria import UNKNOWN_PRIORITY, arranged
from services.po_dispatch.routing.sources import STOCK, SUPPLIER_ID, Barred, Option
from services.po_dispatch.state import OrderLine

_FACTS = itemgetter("sku", "active", "ufs", "stock", "supplier_id", "cost", "lead_time_days", "offer_id")


@dataclass(slots=True)
class Options:
    """Of one SKU, in no order: all, and those that deliver where the goods go, with stock or without."""

    every: list[Option]
    serving: list[Option]

    def able(self, line: OrderLine, barred: Barred, only: Collection[str] | None) -> list[Option]:
        """Those that can deliver the line by themselves."""
        quantity = line.quantity
        found = [option for option in self.serving if option[STOCK] >= quantity]
        if barred:
            found = [option for option in found if (line.line, option[SUPPLIER_ID]) not in barred]
        return found if only is None else [option for option in found if option[SUPPLIER_ID] in only]


def options_of(
    skus: Iterable[str],
    sources: Sequence[tuple[OfferChanged, SupplierChanged | None]],
    uf: str,
    criteria: Sequence[Criterion],
) -> dict[str, Options]:
    """By SKU. What a source says is read once, past the models' slow attributes."""
    arrange = arranged(criteria)
    found = {sku: Options([], []) for sku in skus}
    makers: dict[str, tuple[int, bool]] = {}
    for offer, supplier in sources:
        sku, offer_active, ufs, stock, supplier_id, cost, days, offer_id = _FACTS(vars(offer))
        if (options := found.get(sku)) is None:
            continue
        if (maker := makers.get(supplier_id)) is None:
            maker = makers[supplier_id] = _maker(supplier)
        priority, active = maker
        option: Option = (priority, cost, days, offer_id, supplier_id, stock, offer, supplier)
        if arrange is not None:
            option = arrange(option)
        options.every.append(option)
        if active and offer_active and (not ufs or uf in ufs):
            options.serving.append(option)
    return found


def _maker(supplier: SupplierChanged | None) -> tuple[int, bool]:
    """Its priority, and whether it delivers anything at all."""
    return (UNKNOWN_PRIORITY, False) if supplier is None else (supplier.priority, supplier.active)


def preferred(options: Iterable[Option]) -> Iterator[Option]:
    """The preferred ones first. Where few are asked for few are sorted: only those that the first criterion prefers."""
    by_first: dict[Any, list[Option]] = defaultdict(list)
    for option in options:
        by_first[option[0]].append(option)
    for first in sorted(by_first):
        yield from sorted(by_first[first])
