"""What every process of the fleet is told by its environment. The only reader of it in `shared`."""

import sys
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

T = TypeVar("T", bound=BaseSettings)


class Runtime(BaseSettings):
    """The runtime of one worker."""

    model_config = SettingsConfigDict(env_prefix="FLEET_", frozen=True, extra="ignore")

    amqp_url: Annotated[str, Field(pattern=r"^amqps?://")]
    """Broker, with the service's own user."""
    database_url: Annotated[str, Field(pattern=r"^postgres(ql)?://")]
    """PostgreSQL, with the service's own role."""
    management_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """RabbitMQ management API; with it the start-up check compares arguments and bindings too."""
    health_host: str = "0.0.0.0"
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    log_level: str = "info"
    log_format: Annotated[str, Field(pattern="^(json|text)$")] = "json"
    batch_events: Annotated[int, Field(ge=1, le=1024)] = 256
    gather_seconds: Annotated[float, Field(ge=0, le=5)] = 0.3
    """How long a batch that follows one of several events waits for more, at most."""
    prefetch: Annotated[int, Field(ge=1, le=4096)] = 512
    """Deliveries that may be unacked at once."""
    prefetch_bytes: Annotated[int, Field(ge=1)] = 32 * 1024 * 1024
    """Bytes of deliveries that may wait in memory; above it the worker consumes one by one. The larger deliveries are,
    the fewer may be unacked."""
    confirm_seconds: Annotated[float, Field(gt=0)] = 20.0
    sweep_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Age at which an outgoing row that nobody sent is sent by the sweeper."""
    ladder_seconds: tuple[float, ...] = (2, 15, 120, 900, 7200)
    """Waits of an event that needs something that has not come; then it is a dead letter."""
    pause_after: Annotated[int, Field(ge=1)] = 20
    """Dead letters running after which the worker pauses."""
    pause_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Between two probes while paused."""
    retention_days: Annotated[int, Field(ge=2, le=365)] = 21
    """How long the inbox knows handled events; an older foreign event is refused as too old."""
    grace_seconds: Annotated[float, Field(gt=0)] = 25.0
    """Time to finish after SIGTERM."""


def read(settings: type[T], **overrides: Any) -> T:
    """The settings, or the end of the process with the names of the variables that are missing or wrong."""
    prefix = settings.model_config.get("env_prefix", "")
    try:
        return settings(**overrides)
    except SettingsError as error:
        field = str(error).partition('"')[2].partition('"')[0]
        sys.stderr.write(f"{prefix}{field}".upper() + " is wrong: it must be JSON\n")
        raise SystemExit(78) from error  # EX_CONFIG
    except ValidationError as error:
        for problem in error.errors():
            name = f"{prefix}{'_'.join(str(part) for part in problem['loc'])}".upper()
            what = "is not set" if problem["type"] == "missing" else f"is wrong: {problem['msg']}"
            sys.stderr.write(f"{name} {what}\n")
        raise SystemExit(78) from error  # EX_CONFIG
