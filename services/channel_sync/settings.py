"""channel_sync's own settings: the mail server, and the secrets that open the channels' APIs."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from `FLEET_SMTP_URL` and `FLEET_SECRETS` (a JSON object: `channel:` and a `token_ref` → secret)."""

    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    smtp_url: Annotated[str, Field(pattern=r"^smtps?://([^/@\s]+@)?[^/@\s]+/?$")]
    """`smtp://[user:password@]host:port`; `smtps` for TLS from the first byte."""
    secrets: Mapping[str, str]
    mail_timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds for each step of a conversation with the mail server."""
