"""The demo's world: what upstream systems publish to `fleet.inbound`. First the reference data, then orders.

Everything is a message model, in the order in which it is to be published; whoever publishes gives the ids.
Three channels sell for one seller: its own shop, Magalu through a hub, Mercado Livre (ME2) directly.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from deploy.local import world_orders
from deploy.local.mixed.script import Script
from deploy.local.mixed.stores import QUEUED
from deploy.local.mixed.stores import channel as queue_channel
from deploy.local.mixed.stores import stores as stores_of_mixed
from deploy.local.mixed.suppliers import every_supplier
from deploy.local.mixed.suppliers import offers as mixed_offers
from deploy.local.mixed.suppliers import suppliers as mixed_suppliers
from deploy.local.world_data import (
    PARTS,
    SELLER,
    SUPPLIERS,
    Part,
    SupplierFacts,
)
from deploy.local.world_orders import MAGALU, MERCADO_LIVRE, OWN_SHOP
from deploy.local.world_taxes import tax_profiles
from schemas.channel import ChannelChanged, ReleaseRule
from schemas.model import Message
from schemas.store import StoreChanged
from schemas.supplier import OfferChanged, SupplierChanged, Terms, Tolerance

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
STOCK = 1_000_000
PARTNERS_WITH_SECRETS = (
    *(f"supplier:{supplier.supplier_id}" for supplier in every_supplier()),
    "erp",
    "carrier:rapido-brasil",
    *(f"channel:{channel}" for channel in (OWN_SHOP, MAGALU, MERCADO_LIVRE, QUEUED)),
)
"""Names that `FLEET_SECRETS` must have: who signs callbacks, and the tokens of the channels' APIs."""

_STORES = ((OWN_SHOP, "Estrada Boa"), (MAGALU, "Estrada Boa no Magalu"), (MERCADO_LIVRE, "Estrada Boa no ML"))


def reference_data(base_url: str) -> list[Message]:
    """Stores, tax profiles, channels, suppliers and offers, for sandbox partners under `base_url`."""
    return [
        *stores(),
        *tax_profiles([store_id for store_id, _ in _STORES]),
        *channels(base_url),
        *(supplier_changed(facts, base_url) for facts in SUPPLIERS),
        *offers(),
    ]


def mixed_reference_data(base_url: str, scripts: Sequence[Script]) -> list[Message]:
    """As `reference_data`, and what the mixed scenario adds."""
    more = stores_of_mixed()
    return [
        *stores(),
        *more,
        *tax_profiles([store_id for store_id, _ in _STORES] + [store.store_id for store in more]),
        *channels(base_url),
        queue_channel(base_url),
        *(supplier_changed(facts, base_url) for facts in SUPPLIERS),
        *mixed_suppliers(base_url),
        *offers(),
        *mixed_offers(),
        *(message for script in scripts for message in script.reference),
    ]


def orders(n: int, seed: int, *, at: datetime | None = None) -> list[Message]:
    """`n` orders placed at `at` (default: now) with their payments, the same for the same seed and `at`."""
    return world_orders.orders(n, seed, at or datetime.now(UTC))


def stores() -> list[StoreChanged]:
    """Store and channel have the same id. No return window, so that a delivered order completes at once."""
    return [
        StoreChanged(
            valid_from=SINCE,
            store_id=store_id,
            name=name,
            seller=SELLER,
            invoice_per="order" if store_id == MERCADO_LIVRE else "po",
            return_window_days=0,
            mail_sender=f"pedidos@{store_id}.example.com",
        )
        for store_id, name in _STORES
    ]


def channels(base_url: str) -> list[ChannelChanged]:
    """DOMAIN §7: the default, one held until tracking, and Mercado Livre ME2 direct with the XML."""
    return [
        ChannelChanged(
            valid_from=SINCE,
            channel_id=OWN_SHOP,
            name="Loja própria",
            route="hub",
            api="hub",
            api_url=f"{base_url}/hub",
            token_ref=OWN_SHOP,
            rules=(ReleaseRule(),),
        ),
        ChannelChanged(
            valid_from=SINCE,
            channel_id=MAGALU,
            name="Magalu",
            route="hub",
            api="hub",
            api_url=f"{base_url}/hub",
            token_ref=MAGALU,
            intermediary_cnpj="47960950000121",
            intermediary_account="estrada-boa",
            rules=(ReleaseRule(nf_key="with_tracking", tracking="releases_nf"),),
        ),
        ChannelChanged(
            valid_from=SINCE,
            channel_id=MERCADO_LIVRE,
            name="Mercado Livre",
            route="direct",
            api="mercado_livre",
            api_url=f"{base_url}/mercado-livre",
            token_ref=MERCADO_LIVRE,
            one_invoice_only=True,
            intermediary_cnpj="03007331000141",
            intermediary_account="ESTRADABOA",
            rules=(
                ReleaseRule(needs_xml=True),
                ReleaseRule(logistics="me2", needs_xml=True, tracking="from_label", delivered_by="marketplace"),
            ),
        ),
    ]


def supplier_changed(facts: SupplierFacts, base_url: str) -> SupplierChanged:
    return SupplierChanged(
        valid_from=SINCE,
        supplier_id=facts.supplier_id,
        company=facts.company,
        api_url=f"{base_url}/suppliers/{facts.supplier_id}",
        secret_ref=facts.supplier_id,
        priority=facts.priority,
        terms=Terms(kind="on_s2", days=facts.terms_days),
        tolerance=Tolerance(absolute=Decimal("0.05"), percent=Decimal("0.5")),
        own_make=facts.own_make,
    )


def offers() -> Sequence[OfferChanged]:
    """Every part is offered by both suppliers of its family, so that there is a choice to make and explain."""
    return [_offer(facts, part) for facts in SUPPLIERS for part in PARTS if part.family == facts.family]


def _offer(facts: SupplierFacts, part: Part) -> OfferChanged:
    cost = (part.cost * (100 + facts.markup) / 100).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return OfferChanged(
        valid_from=SINCE,
        offer_id=f"{facts.supplier_id}:{part.sku}",
        supplier_id=facts.supplier_id,
        sku=part.sku,
        supplier_sku=f"{facts.supplier_id[:2].upper()}{part.gtin_stem[-6:]}",
        gtin=world_orders.gtin(part),
        name=part.name,
        ncm=part.ncm,
        cost=cost,
        stock=STOCK,
        lead_time_days=facts.lead_time_days,
        ufs=facts.ufs,
    )
