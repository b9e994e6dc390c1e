"""Where the servers are, when they are not the private ones."""

from typing import Self

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class WrongSettings(Exception):
    """The variables that name servers do not fit together; the message says how."""


class Settings(BaseSettings):
    """FLEET_AMQP_URL with FLEET_MANAGEMENT_URL, and FLEET_DATABASE_URL: each server named here is used and not started.

    The broker's two addresses (`amqp://user:password@host:port/vhost`, `http://user:password@host:port`) belong
    together. The database's (`postgresql://user:password@host:port/fleet`) is a superuser's, who creates the services'
    roles and schemas.
    """

    model_config = SettingsConfigDict(env_prefix="FLEET_", env_ignore_empty=True, frozen=True)

    amqp_url: str | None = None
    management_url: str | None = None
    database_url: str | None = None

    @model_validator(mode="after")
    def broker_addresses_come_in_pairs(self) -> Self:
        if (self.amqp_url is None) != (self.management_url is None):
            raise ValueError(
                "FLEET_AMQP_URL and FLEET_MANAGEMENT_URL belong together: set both, or neither for a private broker; "
                "a terminal with the variables of `fleet env` is for the other commands"
            )
        return self


def load() -> Settings:
    """Raises WrongSettings."""
    try:
        return Settings()
    except ValidationError as error:
        raise WrongSettings("; ".join(p["msg"].removeprefix("Value error, ") for p in error.errors())) from error
