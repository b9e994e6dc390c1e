"""What po_dispatch's store makes of offers and suppliers, made of the same timelines in memory."""

from collections.abc import Iterable, Mapping

from schemas.supplier import OfferChanged, SupplierChanged
from schemas.timeline import Timeline
from services.po_dispatch.catalogue import Offers, Supplier, offer_versions, offers_of, supplier_versions


def offers_by_sku(timelines: Iterable[Timeline[OfferChanged]], skus: Iterable[str]) -> dict[str, Offers]:
    every = [offer_versions(timeline.model_dump_json(exclude_none=True)) for timeline in timelines]
    return {
        sku: offers_of(sku, [versions for versions in every if any(v.sku == sku for v in versions)]) for sku in skus
    }


def suppliers_by_id(timelines: Mapping[str, Timeline[SupplierChanged]]) -> dict[str, list[Supplier]]:
    return {id: supplier_versions(timeline.model_dump_json(exclude_none=True)) for id, timeline in timelines.items()}
