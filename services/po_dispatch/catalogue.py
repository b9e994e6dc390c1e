"""PURE. Who offers what, in plain values: an order may have a thousand offers, and most of them are only compared.

Read from the stored timelines of `offer.changed` and `supplier.changed`, which were validated when they came: what a
row leaves out has the default of its message. Instants are the standard library's, which compare many times faster
than those that a model reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic_core import from_json

from schemas.supplier import Terms


class Offer(NamedTuple):
    """A version of an offer: `OfferChanged`."""

    offer_id: str
    supplier_id: str
    sku: str
    valid_from: datetime
    changed_at: datetime
    """When it began to hold or was said, whichever was later."""
    active: bool
    cost: Decimal
    stock: int
    lead_time_days: int
    ufs: tuple[str, ...]
    supplier_sku: str
    gtin: str | None
    name: str
    ncm: str
    unit: str
    weight_g: int


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
    return next((version for version in reversed(versions) if version.valid_from <= now), None)


def offer_versions(timeline: str | bytes) -> list[Offer]:
    """Oldest first, of a timeline as JSON."""
    return [
        Offer(
            said["offer_id"],
            said["supplier_id"],
            said["sku"],
            valid_from,
            max(valid_from, at),
            said.get("active", True),
            Decimal(said["cost"]),
            said["stock"],
            said.get("lead_time_days", 1),
            tuple(said.get("ufs", ())),
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
