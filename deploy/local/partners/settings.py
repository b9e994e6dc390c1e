"""Where the sandbox listens, whom it calls back, and how fast its partners act."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """`FLEET_SANDBOX_PORT`, `…_SMTP_PORT`, `…_HOST`, `…_PACE`, `FLEET_GATEWAY_URL`, `FLEET_SECRETS` (JSON)."""

    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    sandbox_host: str = "127.0.0.1"
    sandbox_port: Port
    sandbox_smtp_port: Port
    sandbox_pace: Annotated[float, Field(ge=0)] = 0.05
    """Seconds between what a partner is asked and what it does next."""
    gateway_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    secrets: Mapping[str, str]
