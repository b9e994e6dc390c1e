"""What the control room is told by its environment beside the runtime of its worker."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The consumer's own; sizes are counts of messages."""

    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    amqp_url: Annotated[str, Field(pattern=r"^amqps?://")]
    journal_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days that the journal remembers beside today."""
    dead_letter_days: Annotated[int, Field(ge=30, le=3650)] = 365
    """Days that a dead letter stays after it was resolved or discarded; the record of the actions stays for ever."""
    journal_prefetch: Annotated[int, Field(ge=1, le=4096)] = 512


class ConsoleSettings(BaseSettings):
    """What the command line needs: it reads control_room's tables and orders actions over AMQP."""

    model_config = SettingsConfigDict(env_prefix="FLEET_", env_ignore_empty=True, frozen=True, extra="ignore")

    amqp_url: Annotated[str, Field(pattern=r"^amqps?://")] | None = None
    """Broker, with the user `engineer`; None: these are the variables of somebody who may only look."""
    database_url: Annotated[str, Field(pattern=r"^postgres(ql)?://")]
    """PostgreSQL, with a role that may read the schema control_room."""
    console_confirm_seconds: Annotated[float, Field(gt=0)] = 10.0


class ReaderSettings(BaseSettings):
    """What the commands that only look need."""

    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    database_url: Annotated[str, Field(pattern=r"^postgres(ql)?://")]
