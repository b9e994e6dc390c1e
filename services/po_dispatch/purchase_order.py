"""A purchase order and its parcels. Each milestone has a field of its own, and the status is read off them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from schemas.model import Model
from schemas.purchase_order import Candidate, PoLine
from schemas.supplier import RefusedPoLine, Terms
from schemas.values import AccessKey, Amount, Cnpj, Email, Id, LongText, Text, Time, Url
from services.po_dispatch import parcels
from services.po_dispatch.machine import PoStatus
from services.po_dispatch.parcels import Shipment

Cause = Literal["refused", "order_cancelled", "silent", "prepayment_refused", "prepayment_late"]
"""Why a PO is void."""
CancelCause = Literal["order_cancelled", "silent", "prepayment_refused", "prepayment_late"]
"""Why we made it void, rather than its supplier."""
Late = Literal["confirmation", "supplier_nf", "dispatch", "prepayment", "cancellation"]
"""What of a PO can be late."""


class SupplierAccess(Model):
    """The supplier of a PO and how it was reached when the PO was made: a PO stays where it was sent."""

    supplier_id: Id
    cnpj: Cnpj
    api_url: Url
    secret_ref: Id
    api: Literal["http", "email"] = "http"
    order_email: Email | None = None
    """Where its mails go, for `email`."""
    mail_sender: Email | None = None
    """As whom the store writes them."""

    @property
    def partner(self) -> str:
        return f"supplier:{self.supplier_id}"


class CancellationAsked(Model):
    """The supplier was asked to cancel the PO, and what it said."""

    asked_at: Time
    agreed_at: Time | None = None
    refused_at: Time | None = None


class RefusalSaid(Model):
    """A refusal as the supplier said it: what is said again says nothing new."""

    at: Time
    lines: tuple[RefusedPoLine, ...]
    heard_at: Time
    """By our clock: later than any refusal before it, whatever clocks say."""


class Delay(Model):
    """The newest word on when the goods come."""

    reported_at: Time
    expected_ship_at: Time | None = None
    estimated_delivery: Time | None = None


class Void(Model):
    cause: Cause
    at: Time


class PurchaseOrder(Model):
    po_id: Id
    number: Id | None = None
    supplier: SupplierAccess
    terms: Terms
    lines: tuple[PoLine, ...]
    """What the supplier has to deliver: without what it refused; of a void PO as it was last."""
    total: Amount
    candidates: tuple[Candidate, ...] = ()
    """Until the PO is created, which tells them; empty after."""
    shipping_method: Text | None = None
    shipping_reason: str = ""
    packaging: Text | None = None
    card: LongText | None = None
    estimated_delivery: Time | None = None
    created_at: Time | None = None
    ordered_at: Time | None = None
    """When SendPurchaseOrder was asked for."""
    sent_at: Time | None = None
    reminded_at: Time | None = None
    confirmed_at: Time | None = None
    paid_at: Time | None = None
    refusals: tuple[RefusalSaid, ...] = ()
    sale_nf_keys: tuple[AccessKey, ...] = ()
    invoice_key: AccessKey | None = None
    invoiced_at: Time | None = None
    cancelled_invoices: tuple[AccessKey, ...] = ()
    handing_over: bool = False
    """HandOverInvoice was asked for."""
    handed_over_at: Time | None = None
    remittances: Mapping[AccessKey, AccessKey] = {}
    """S1, by the R that it cites."""
    shipments: tuple[Shipment, ...] = ()
    delay: Delay | None = None
    late: tuple[Late, ...] = ()
    """What was told to be late."""
    cancellation: CancellationAsked | None = None
    erp: Literal["unknown", "open", "void"] = "unknown"
    """What the ERP's books say of it: it gave the PO its number, or was told that it is void."""
    void: Void | None = None

    @property
    def status(self) -> PoStatus:
        if self.void is not None:
            return PoStatus.REFUSED if self.void.cause == "refused" else PoStatus.CANCELLED
        if self.shipments:  # all of it, or a part
            return PoStatus.SHIPPED if self.not_arrived else PoStatus.DELIVERED
        if self.cancellation is not None and self.cancellation.agreed_at is not None:
            return PoStatus.AGREED
        if self.cancellation is not None and self.cancellation.refused_at is None:
            return PoStatus.CANCELLING
        return self._ordered_status()

    def _ordered_status(self) -> PoStatus:
        if self.handed_over_at:
            return PoStatus.HANDED_OVER
        if self.confirmed_at:
            return PoStatus.CONFIRMED
        if self.sent_at:
            return PoStatus.SENT
        if self.ordered_at:
            return PoStatus.ORDERED
        return PoStatus.CREATED if self.number else PoStatus.REGISTERING

    @property
    def has_left(self) -> bool:
        """Whether its parcels cover its goods."""
        return bool(self.shipments) and not parcels.not_left(self.lines, self.shipments)

    @property
    def not_arrived(self) -> tuple[int, ...]:
        """Its lines of which something has not arrived."""
        return parcels.not_arrived(self.lines, [parcel for parcel in self.shipments if not parcel.lost])

    @property
    def is_lost(self) -> bool:
        """Whether all its goods have left, all its parcels are in trouble on their way, and none was delivered."""
        return self.has_left and all(shipment.is_in_trouble for shipment in self.shipments)

    @property
    def is_agreed(self) -> bool:
        """Whether it may be void as soon as all POs of the order can be: its supplier agreed, or it is lost."""
        if self.cancellation is None or self.cancellation.agreed_at is None:
            return False
        return self.is_lost or not self.shipments

    @property
    def was_given_up(self) -> bool:
        """Whether it was to be void, and no one but the order's cancellation waits for it."""
        return self.cancellation is not None and self.cancellation.agreed_at is not None

    @property
    def remittance_key(self) -> AccessKey | None:
        """S1, unless the R that it cites was cancelled."""
        return next((s1 for r, s1 in self.remittances.items() if r not in self.cancelled_invoices), None)

    @property
    def goes_on(self) -> bool:
        """Neither void nor on the way there."""
        return self.void is None and self.status not in (PoStatus.CANCELLING, PoStatus.AGREED)

    @property
    def is_prepaid(self) -> bool:
        return self.terms.kind == "prepaid"

    @property
    def was_heard_of(self) -> bool:
        """Whether the supplier has said anything that shows that it works on the PO."""
        said = self.confirmed_at or self.sale_nf_keys or self.invoice_key or self.shipments or self.delay
        answered = self.cancellation is not None and self.cancellation.refused_at is not None
        return bool(said or self.refusals or answered)

    def is_late(self, what: Late) -> bool:
        return what in self.late

    def with_void(self, cause: Cause, at: datetime) -> "PurchaseOrder":
        return self.model_copy(update={"void": Void(cause=cause, at=at)})
