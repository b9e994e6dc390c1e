"""The small values messages are made of, each with its own check and JSON Schema.

Money is BRL as decimal strings with two places, unit prices have up to ten, times carry an offset.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, PlainValidator, WithJsonSchema

from schemas import access_key, tax_id
from schemas.model import Model

_MONEY = re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,2})?")
_PRICE = re.compile(r"[0-9]{1,13}(\.[0-9]{1,10})?")
_CENT = Decimal("0.01")


def _money(value: Any) -> Decimal:
    return _cents(str(value) if isinstance(value, str | Decimal) else "")


@lru_cache(maxsize=4096)
def _cents(text: str) -> Decimal:
    """Remembered: an order's messages and states name the same few amounts a hundred times."""
    if _MONEY.fullmatch(text) is None:
        raise ValueError('money is a decimal string in BRL with at most two places, e.g. "199.90"')
    return Decimal(text).quantize(_CENT)


def _amount(value: Any) -> Decimal:
    amount = _money(value)
    if amount < 0:
        raise ValueError("this amount cannot be negative")
    return amount


def _price(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return _exact(format(value, "f"))
    return _exact(value if isinstance(value, str) else "")


@lru_cache(maxsize=4096)
def _exact(text: str) -> Decimal:
    """Remembered, as amounts are."""
    if _PRICE.fullmatch(text) is None:
        raise ValueError('a unit price or quantity is a decimal string with at most ten places, e.g. "19.9025"')
    return Decimal(text)


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _schema(pattern: re.Pattern[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern.pattern}$"})


def _valid_cnpj(text: str) -> str:
    if not tax_id.is_valid_cnpj(text):
        raise ValueError("not a valid CNPJ: 14 characters [0-9A-Z]{12}[0-9]{2} with right check digits")
    return text


def _valid_cpf(text: str) -> str:
    if not tax_id.is_valid_cpf(text):
        raise ValueError("not a valid CPF: 11 digits with right check digits")
    return text


def _valid_tax_id(text: str) -> str:
    if not (tax_id.is_valid_cpf(text) or tax_id.is_valid_cnpj(text)):
        raise ValueError("neither a valid CPF (11 digits) nor a valid CNPJ (14 characters)")
    return text


def _valid_key(text: str) -> str:
    if not access_key.is_valid(text):
        raise ValueError("not a valid NF-e access key: 44 characters with the right check digit")
    return text


_TEXT = PlainSerializer(_plain, return_type=str, when_used="json")
Money = Annotated[Decimal, PlainValidator(_money), _TEXT, _schema(_MONEY)]
"""BRL, two places; may be negative (a correction)."""
Amount = Annotated[Decimal, PlainValidator(_amount), _TEXT, _schema(_MONEY)]
"""BRL, two places, zero or more."""
UnitPrice = Annotated[Decimal, PlainValidator(_price), _TEXT, _schema(_PRICE)]
"""BRL per unit, up to ten places, zero or more."""
Measure = Annotated[Decimal, PlainValidator(_price), _TEXT, _schema(_PRICE)]
"""A quantity as a nota fiscal states it, up to ten places."""

Units = Annotated[int, Field(strict=True, ge=1, le=100_000)]
"""How many of a product, whole units."""
Id = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f]([^\x00-\x1f]{0,62}[^\s\x00-\x1f])?$")]
"""A string of the outside world, 1 to 64 characters, no control characters, no space at either end."""
Text = Annotated[str, Field(min_length=1, max_length=250, pattern=r"^[^\x00-\x1f]*$")]
LongText = Annotated[str, Field(max_length=4000)]
MOST_ORIGINAL = 262_144
Original = Annotated[str, Field(max_length=MOST_ORIGINAL)]
"""What a partner said and nobody could read, as JSON in ASCII."""
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=500)]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
Cnpj = Annotated[str, AfterValidator(_valid_cnpj), _schema(tax_id.CNPJ)]
Cpf = Annotated[str, AfterValidator(_valid_cpf), _schema(tax_id.CPF)]
TaxId = Annotated[
    str,
    AfterValidator(_valid_tax_id),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{11}$|^[0-9A-Z]{12}[0-9]{2}$"}),
]
AccessKey = Annotated[str, AfterValidator(_valid_key), _schema(access_key.PATTERN)]
Gtin = Annotated[str, Field(pattern=r"^([0-9]{8}|[0-9]{12,14})$")]
Ncm = Annotated[str, Field(pattern=r"^[0-9]{8}$")]
Cfop = Annotated[str, Field(pattern=r"^[1-7][0-9]{3}$")]
PostalCode = Annotated[str, Field(pattern=r"^[0-9]{8}$")]
IbgeCode = Annotated[str, Field(pattern=r"^[0-9]{7}$")]
Percent = Annotated[Decimal, PlainValidator(_price), _TEXT, _schema(_PRICE)]
Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=4_000_000)]
Time = Annotated[AwareDatetime, Field(ge=datetime.min.replace(tzinfo=UTC), le=datetime.max.replace(tzinfo=UTC))]
"""An instant, with its offset, that the calendar has in UTC too: other places keep it so."""
Span = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=90))]
"""How long something may take, as an ISO 8601 duration (`PT24H`)."""

Uf = Literal[
    "AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA", "MG", "MS", "MT", "PA",
    "PB", "PE", "PI", "PR", "RJ", "RN", "RO", "RR", "RS", "SC", "SE", "SP", "TO",
]  # fmt: skip


class Address(Model):
    street: Text
    number: Annotated[str, Field(min_length=1, max_length=60)]
    complement: Annotated[str, Field(max_length=60)] = ""
    district: Annotated[str, Field(min_length=1, max_length=60)]
    city: Annotated[str, Field(min_length=1, max_length=60)]
    ibge_code: IbgeCode
    uf: Uf
    postal_code: PostalCode


class Customer(Model):
    name: Annotated[str, Field(min_length=2, max_length=60, pattern=r"^[^\x00-\x1f]*$")]
    tax_id: TaxId
    email: Email
    phone: Annotated[str, Field(pattern=r"^[0-9]{6,14}$")] | None = None


class Company(Model):
    """A company as a nota fiscal names it."""

    name: Annotated[str, Field(min_length=2, max_length=60)]
    cnpj: Cnpj
    state_registration: Annotated[str, Field(pattern=r"^([0-9]{2,14}|ISENTO)$")]
    address: Address


class Logistics(Model):
    """Whose logistics carry the parcel. `label_by` says who makes the label."""

    type: Id = "own"
    shipment_id: Id | None = None
    label_by: Literal["us", "channel"] = "us"


class Problem(Model):
    """Why something was refused or diverged: a stable code, where, and what was expected and found."""

    code: Id
    where: str = ""
    detail: str = ""
    expected: str = ""
    found: str = ""
