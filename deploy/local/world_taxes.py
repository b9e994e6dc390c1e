"""How the demo's stores are taxed: normal regime, ICMS in full, PIS and COFINS non-cumulative."""

from collections.abc import Sequence
from decimal import Decimal

from deploy.local.mixed.suppliers import SINCE
from deploy.local.world_data import FCP_RATES, INTERNAL_RATES, SELLER, TWELVE_PERCENT
from schemas.billing import TaxProfileChanged
from schemas.values import Uf


def tax_profiles(store_ids: Sequence[str]) -> list[TaxProfileChanged]:
    """A series for each store."""
    return [
        TaxProfileChanged(
            valid_from=SINCE,
            store_id=store_id,
            series=series,
            regime="3",
            icms_code="00",
            internal_rates=INTERNAL_RATES,
            interstate_rates={uf: _interstate_rate(uf) for uf in INTERNAL_RATES if uf != SELLER.address.uf},
            fcp_rates=FCP_RATES,
            pis_code="01",
            pis_rate=Decimal("1.65"),
            cofins_code="01",
            cofins_rate=Decimal("7.6"),
        )
        for series, store_id in enumerate(store_ids, 1)
    ]


def _interstate_rate(uf: Uf) -> Decimal:
    return Decimal(12) if uf in TWELVE_PERCENT else Decimal(7)
