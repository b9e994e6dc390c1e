"""A store's tax profile, applied to one item of one sale."""

from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from schemas.billing import TaxProfileChanged
from schemas.decision import NotYet, later
from schemas.values import Uf
from services.billing.document_fields import ItemTax

FOREIGN_ORIGINS = ("1", "2", "3", "8")
FOREIGN_RATE = Decimal(4)
"""Between states, goods of foreign origin or mostly so are taxed at 4 % (Senate resolution 13/2012)."""
CHARGED_CODES = ("00", "20", "90")


def item_tax(profile: TaxProfileChanged, origin: str, seller: Uf, customer: Uf) -> ItemTax | NotYet:
    """The item's taxes. NotYet: the profile lacks the rate that this sale needs, or has a code that R cannot have."""
    within = seller == customer
    charged = profile.icms_code in CHARGED_CODES or (not within and profile.regime in ("2", "3"))
    rate = _rate(profile, origin, customer, within)
    if charged and rate is None:
        return later(f"tax_profile.changed with a rate from {seller} to {customer}")
    try:
        return ItemTax(
            origin=origin,
            icms_code=profile.icms_code,
            icms_rate=rate if charged and rate is not None else Decimal(0),
            pis_code=profile.pis_code,
            pis_rate=profile.pis_rate,
            cofins_code=profile.cofins_code,
            cofins_rate=profile.cofins_rate,
            **({} if within else _destination(profile, customer)),
        )
    except ValidationError:
        return later(f"tax_profile.changed with another ICMS code than {profile.icms_code}")


def cfop(profile: TaxProfileChanged, seller: Uf, customer: Uf) -> str:
    """5 within the state, 6 between states."""
    return ("5" if seller == customer else "6") + profile.cfop_family


def _rate(profile: TaxProfileChanged, origin: str, customer: Uf, within: bool) -> Decimal | None:
    if within:
        return profile.internal_rates.get(customer)
    if origin in FOREIGN_ORIGINS:
        return FOREIGN_RATE
    return profile.interstate_rates.get(customer)


def _destination(profile: TaxProfileChanged, customer: Uf) -> dict[str, Any]:
    """What DIFAL asks for where the goods go."""
    return {
        "destination_rate": profile.internal_rates.get(customer),
        "destination_fcp_rate": profile.fcp_rates.get(customer, Decimal(0)),
    }
