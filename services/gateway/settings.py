"""What the gateway is told by its environment."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Times in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    amqp_url: Annotated[str, Field(pattern=r"^amqps?://")]
    secrets: Mapping[Annotated[str, Field(pattern=r"^(erp|(supplier|carrier|channel):.+)$")], SecretStr]
    """JSON object: `supplier:<id>`, `carrier:<name>`, `channel:<id>` or `erp` → the secret that signs its events. Other
    names may be there too: a supplier's `secret_ref` names what signs our requests to it, and nothing here."""
    gateway_host: str = "0.0.0.0"
    gateway_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    health_host: str = "0.0.0.0"
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    log_level: str = "info"
    log_format: Annotated[str, Field(pattern="^(json|text)$")] = "json"
    gateway_body_bytes: Annotated[int, Field(ge=1)] = 2 * 1024 * 1024
    gateway_body_seconds: Annotated[float, Field(gt=0)] = 30.0
    """How long a partner may take to send a body."""
    gateway_replay_seconds: Annotated[float, Field(gt=0)] = 300.0
    """How far a signature's timestamp may be off our clock, either way."""
    gateway_confirm_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long a partner waits for the broker's confirm before it is told to come again."""
    gateway_retry_after: Annotated[int, Field(ge=1)] = 5
    gateway_requests: Annotated[int, Field(ge=1)] = 128
    """Requests handled at the same time; more are told to come again, so that memory stays bounded."""
    grace_seconds: Annotated[float, Field(gt=0)] = 25.0
