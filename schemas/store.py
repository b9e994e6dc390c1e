"""Stores: the retailer's shops and their settings."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.model import Dated
from schemas.values import Company, Email, Id, Text


class StoreChanged(Dated):
    """A store and its settings, as they hold from `valid_from` on."""

    TYPE = "store.changed.v1"
    SUBJECT = "store_id"

    store_id: Id
    name: Text
    seller: Company
    invoice_per: Literal["po", "order"] = "po"
    return_window_days: Annotated[int, Field(ge=0, le=90)] = 7
    """Days after delivery during which an order does not complete."""
    has_erp: bool = True
    mail_sender: Email
    mail_language: Literal["pt", "en"] = "pt"
