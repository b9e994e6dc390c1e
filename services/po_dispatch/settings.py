"""What po_dispatch is told by its environment."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.values import Url


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    erp_url: Url
    """The ERP's API, without a slash at the end."""
    secrets: Mapping[str, SecretStr]
    """`FLEET_SECRETS`, a JSON object: name → secret. A supplier's is `supplier:` and its `secret_ref`."""
    smtp_url: Annotated[str, Field(pattern=r"^smtps?://([^/@\s]+@)?[^/@\s]+/?$")] | None = None
    """`smtp://[user:password@]host:port`, for suppliers that take POs by mail; `smtps` for TLS from the first byte."""
    mail_timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds for each step of a conversation with the mail server."""
