"""The doors: which partner may say what, and which field of it the path already says."""

from dataclasses import dataclass
from urllib.parse import quote

from schemas.billing import SupplierPaymentReported
from schemas.catalogue import Entry, by_type, family_of, newest
from schemas.channel import ChannelOrderReported
from schemas.model import Message
from schemas.refund import RefundReported
from schemas.supplier import (
    CarrierReported,
    SupplierCancellationAnswered,
    SupplierDelayReported,
    SupplierNfIssued,
    SupplierPoConfirmed,
    SupplierPoRefused,
    SupplierShipped,
)


@dataclass(frozen=True, slots=True)
class Door:
    """One kind of partner. `field` is the message field that is the partner's id; None: messages do not name it.

    `scope` is what the names of this kind's secrets begin with: a supplier that is called like a channel is not one.
    """

    kind: str
    path: str
    scope: str
    messages: tuple[type[Message], ...]
    field: str | None = None

    def source(self, partner: str) -> str:
        """The CloudEvents source (a URI reference) of what a partner says here."""
        return f"/partners/{self.kind}" if self.field is None else f"/partners/{self.kind}/{quote(partner, safe='')}"

    def secret_name(self, partner: str) -> str:
        """Under which name `FLEET_SECRETS` has what the partner signs with here."""
        return self.scope if self.field is None else f"{self.scope}:{partner}"

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(family_of(message.TYPE) for message in self.messages)

    def entry(self, type: str) -> Entry | None:
        """What a type means here, with a version or without (the newest); None: not to be said here."""
        entry = by_type().get(type) or newest(type)
        return entry if entry is not None and family_of(entry.type) in self.families else None


DOORS: tuple[Door, ...] = (
    Door(
        "suppliers",
        "/v1/suppliers/{partner}/events",
        "supplier",
        (
            SupplierPoConfirmed,
            SupplierPoRefused,
            SupplierCancellationAnswered,
            SupplierDelayReported,
            SupplierNfIssued,
            SupplierShipped,
        ),
        field="supplier_id",
    ),
    Door("carriers", "/v1/carriers/{partner}/events", "carrier", (CarrierReported,), field="carrier"),
    Door("erp", "/v1/erp/events", "erp", (SupplierPaymentReported, RefundReported)),
    Door("channels", "/v1/channels/{partner}/events", "channel", (ChannelOrderReported,), field="channel_id"),
)
