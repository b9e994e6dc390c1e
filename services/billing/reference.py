"""What the decisions look up beside the bill: the store, its channel and tax profile, the suppliers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.billing import TaxProfileChanged
from schemas.channel import ChannelChanged
from schemas.store import StoreChanged
from schemas.supplier import SupplierChanged
from schemas.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Reference:
    """Each with the versions that are known of it; None where there is none yet."""

    store: Timeline[StoreChanged] | None = None
    channel: Timeline[ChannelChanged] | None = None
    tax_profile: Timeline[TaxProfileChanged] | None = None
    suppliers: Mapping[str, Timeline[SupplierChanged]] = field(default_factory=dict)
    supplied: bool = True
    """Whether any S2 has matched; without one no R is written and no number taken."""


def series_name(cnpj: str, series: int) -> str:
    """A number series is the issuer's: two stores of one company that use the same series share its numbers."""
    return f"{cnpj}:{series}"


def series_names(reference: Reference) -> tuple[str, ...]:
    """The series that R may be numbered in, whichever versions of store and tax profile hold when it is decided."""
    if not reference.supplied:
        return ()
    stores = reference.store.versions if reference.store else ()
    profiles = reference.tax_profile.versions if reference.tax_profile else ()
    return tuple(sorted({series_name(store.seller.cnpj, p.series) for store in stores for p in profiles}))
