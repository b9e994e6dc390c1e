"""Who R names beside its issuer: the customer and how they paid, the marketplace, those who ship."""

from collections.abc import Sequence
from decimal import Decimal

from schemas.channel import ChannelChanged
from schemas.order import OrderReady
from services.billing.apportion import ZERO, apportion
from services.billing.document_fields import Intermediary, Payment, Receiver, Shipper

METHODS = {"pix": "17", "boleto": "15", "credit_card": "03", "debit_card": "04", "marketplace": "99", "other": "99"}
"""tPag."""


def payments(order: OrderReady, total: Decimal) -> tuple[Payment, ...]:
    """How the customer paid this R: its total over the approved payments, by amount."""
    approved = [p for p in order.payments if p.approved_at is not None and p.amount]
    if not approved or not total:
        return (Payment(method="90", amount=ZERO),)
    parts = zip(approved, apportion(total, [p.amount for p in approved]), strict=True)
    return tuple(
        Payment(
            method=METHODS[payment.method],
            amount=part,
            description=("Marketplace" if payment.method == "marketplace" else "Outros")
            if METHODS[payment.method] == "99"
            else None,
        )
        for payment, part in parts
        if part
    )


def receiver(order: OrderReady) -> Receiver:
    customer = order.customer
    return Receiver(
        tax_id=customer.tax_id,
        name=customer.name,
        address=order.ship_to,
        email=customer.email if len(customer.email) <= 60 else None,
        phone=customer.phone,
    )


def intermediary(channel: ChannelChanged) -> Intermediary | None:
    if channel.intermediary_cnpj is None or channel.intermediary_account is None:
        return None
    return Intermediary(cnpj=channel.intermediary_cnpj, seller_id=channel.intermediary_account)


def other_shippers(shippers: Sequence[Shipper]) -> str:
    """Who else ships, where one R bills several suppliers: the layout has a place for one only."""
    return " ".join(
        f"Remetida tambem por {s.name}, CNPJ {s.cnpj}, IE {s.state_registration}, {s.address.street}, "
        f"{s.address.number}, {s.address.district}, {s.address.city}/{s.address.uf}, CEP {s.address.postal_code}."
        for s in shippers
    )
