"""PURE. Who offers what, in plain values: an order may have a thousand offers, and most of them are only compared.

Read from the stored timelines of `offer.changed` and `supplier.changed`, which were validated when they came: what a
row leaves out has the default of its message. Instants are the standard library's, which compare many times faster
than those that a model reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from sys import intern
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic_core import from_json

from schemas.supplier import Terms

_NEVER = datetime.max.replace(tzinfo=UTC)


class Offer(NamedTuple):
    """A version of an offer: `OfferChanged`. Their own order is that of their first fields: cost, lead time, id."""

    cost: Decimal
    lead_time_days: int
    offer_id: str
    supplier_id: str
    stock: int
    sku: str
    valid_from: datetime
    active: bool
    ufs: tuple[str, ...]
    changed_at: datetime
    """When it began to hold or was said, whichever was later."""
    supplier_sku: str
    gtin: str | None
    name: str
    ncm: str
    unit: str
    weight_g: int


class Offers(NamedTuple):
    """What is, was or will be offered of one SKU."""

    versions: Sequence[Sequence[Offer]]
    """Of each offer, oldest first."""
    newest: Sequence[Offer]
    """The last version of each, in their own order: the cheapest first."""
    since: datetime
    """When all of these hold, and are for this SKU: most often long ago, and then the older ones do not matter."""

    def in_force(self, sku: str, now: datetime) -> Sequence[Offer]:
        """In their own order."""
        if self.since <= now:
            return self.newest
        current = [in_force(versions, now) for versions in self.versions]
        return sorted([offer for offer in current if offer is not None and offer.sku == sku])


NO_OFFERS = Offers((), (), _NEVER)


def offers_of(sku: str, every: Sequence[Sequence[Offer]]) -> Offers:
    newest = sorted([versions[-1] for versions in every])
    theirs = all(offer.sku == sku for offer in newest)
    return Offers(every, newest, max([offer.valid_from for offer in newest]) if theirs and newest else _NEVER)


class Supplier(NamedTuple):
    """A version of a supplier: `SupplierChanged`, as far as choosing and reaching it goes."""

    supplier_id: str
    valid_from: datetime
    active: bool
    priority: int
    cnpj: str
    api_url: str
    secret_ref: str
    api: Literal["http", "email"]
    order_email: str | None
    terms: Terms


V = TypeVar("V", Offer, Supplier)


def in_force(versions: Sequence[V], now: datetime) -> V | None:
    """Of the versions, oldest first, the one that holds; None where the first is still to come."""
    if versions[-1].valid_from <= now:
        return versions[-1]
    return next((version for version in reversed(versions) if version.valid_from <= now), None)


def offer_versions(timeline: str | bytes) -> list[Offer]:
    """Oldest first, of a timeline as JSON. The ids of SKUs and suppliers are one object each, however many offers."""
    return [
        Offer(
            Decimal(said["cost"]),
            said.get("lead_time_days", 1),
            said["offer_id"],
            intern(said["supplier_id"]),
            said["stock"],
            intern(said["sku"]),
            valid_from,
            said.get("active", True),
            tuple(said.get("ufs", ())),
            max(valid_from, at),
            said["supplier_sku"],
            said.get("gtin"),
            said["name"],
            said["ncm"],
            said.get("unit", "UN"),
            said.get("weight_g", 0),
        )
        for said, valid_from, at in _versions(timeline)
    ]


def supplier_versions(timeline: str | bytes) -> list[Supplier]:
    """Oldest first, of a timeline as JSON."""
    return [
        Supplier(
            said["supplier_id"],
            valid_from,
            said.get("active", True),
            said.get("priority", 100),
            said["company"]["cnpj"],
            said["api_url"],
            said["secret_ref"],
            said.get("api", "http"),
            said.get("order_email"),
            Terms.model_validate(said.get("terms", {})),
        )
        for said, valid_from, _ in _versions(timeline)
    ]


def _versions(timeline: str | bytes) -> Iterator[tuple[Mapping[str, Any], datetime, datetime]]:
    """Each version, since when it holds, and when it was said (where nobody noted it: since then)."""
    read = from_json(timeline)
    said_at = read.get("sent_at", ())
    for n, said in enumerate(read["versions"]):
        valid_from = datetime.fromisoformat(said["valid_from"])
        yield said, valid_from, datetime.fromisoformat(said_at[n]) if n < len(said_at) else valid_from
