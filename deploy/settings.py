"""What the commands are told by the environment: where the servers are, and the passwords of their users."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_CONFIG = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore", env_ignore_empty=True)


class _Passwords(BaseSettings):
    passwords: dict[str, str] = {}
    """FLEET_PASSWORDS, a JSON object: user of broker and database → password."""


class BrokerSettings(_Passwords):
    """The broker and its management API, as an administrator."""

    model_config = _CONFIG

    amqp_url: Annotated[str, Field(pattern=r"^amqps?://[^/]")]
    management_url: Annotated[str, Field(pattern=r"^https?://[^/]")]


class DatabaseSettings(_Passwords):
    """The database, as an administrator who may create roles and schemas."""

    model_config = _CONFIG

    database_url: Annotated[str, Field(pattern=r"^postgres(ql)?://")]


class PublishSettings(BaseSettings):
    """The broker, as the upstream system's user: FLEET_UPSTREAM_AMQP_URL where FLEET_AMQP_URL is somebody else's."""

    model_config = _CONFIG

    upstream_amqp_url: Annotated[str, Field(pattern=r"^amqps?://[^/]")] | None = None


class BrokerUrl(BaseSettings):
    """The broker."""

    model_config = _CONFIG

    amqp_url: Annotated[str, Field(pattern=r"^amqps?://[^/]")]
