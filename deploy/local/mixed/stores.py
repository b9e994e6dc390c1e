"""The shops of the mixed scenario, beside those of the happy one: other settings, and one fed by a hub's queue."""

from datetime import timedelta

from deploy.local.mixed.suppliers import SINCE
from deploy.local.world_data import SELLER
from deploy.local.world_taxes import tax_profiles
from schemas.channel import ChannelChanged, ReleaseRule
from schemas.model import Message
from schemas.store import Deadlines, StoreChanged

HASTY = "apressada"
"""Waits for nothing longer than seconds, and cancels what is paid late."""
STRICT = "rigorosa"
"""Cancels nothing once a PO is sent, and bills an order with one R."""
PROMPT = "pontual"
"""Its goods must leave within seconds of R."""
QUEUED = "fila-hub"
"""Also the channel whose queue feeds it."""
HASTY_DEADLINES = Deadlines(
    confirmation=timedelta(seconds=40),
    prepayment=timedelta(seconds=8),
    quote=timedelta(seconds=8),
    stock=timedelta(seconds=8),
)


def untaxed(store_id: str) -> StoreChanged:
    """A store of one order alone, whose tax profile nobody has told yet: R cannot be written."""
    return StoreChanged(
        valid_from=SINCE,
        store_id=store_id,
        name="Estrada Boa Nova",
        seller=SELLER,
        mail_sender="pedidos@nova.example.com",
        return_window_days=0,
    )


def hurried(store_id: str) -> list[Message]:
    """A store of one order alone, whose R can be cancelled for less than a second: always too late."""
    [profile] = tax_profiles([store_id])
    short = profile.model_copy(update={"cancel_within": timedelta(microseconds=1)})
    return [untaxed(store_id), short]


def stores() -> list[StoreChanged]:
    common = {"valid_from": SINCE, "seller": SELLER, "return_window_days": 0}
    return [
        StoreChanged.model_validate(
            common
            | {
                "store_id": HASTY,
                "name": "Estrada Boa Já",
                "mail_sender": "pedidos@ja.example.com",
                "deadlines": HASTY_DEADLINES,
                "late_payment": "cancel",
            }
        ),
        StoreChanged.model_validate(
            common
            | {
                "store_id": STRICT,
                "name": "Estrada Boa Exata",
                "mail_sender": "pedidos@exata.example.com",
                "mail_language": "en",
                "cancellation": "until_sent",
                "invoice_per": "order",
            }
        ),
        StoreChanged.model_validate(
            common
            | {
                "store_id": PROMPT,
                "name": "Estrada Boa Pontual",
                "mail_sender": "pedidos@pontual.example.com",
                "deadlines": Deadlines(dispatch=timedelta(seconds=10)),
            }
        ),
        StoreChanged.model_validate(
            common | {"store_id": QUEUED, "name": "Estrada Boa na fila", "mail_sender": "pedidos@fila.example.com"}
        ),
    ]


def channel(base_url: str) -> ChannelChanged:
    return ChannelChanged(
        valid_from=SINCE,
        channel_id=QUEUED,
        name="Hub com fila",
        route="hub",
        api="hub",
        api_url=f"{base_url}/hub",
        token_ref=QUEUED,
        rules=(ReleaseRule(),),
        store_id=QUEUED,
        polls=True,
        poll_every=timedelta(seconds=2),
    )
