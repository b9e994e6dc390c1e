"""`fleet`: the one command of the fleet. Every sub-command is imported only when it is called."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

import services
from deploy.console import fail
from deploy.lazy import mount

COMMANDS = (
    ("demo", "deploy.local.commands:demo", "Run the whole fleet on made-up orders and check how each one ends."),
    ("up", "deploy.local.up:up", "Keep the whole fleet running on private servers and print the addresses."),
    ("env", "deploy.local.up:env", "Print the variables with which other commands reach a running `fleet up`."),
    ("publish", "deploy.publish:publish", "Publish upstream events from files, after validating all of them."),
    ("migrate", "deploy.database:migrate_services", "Create the services' roles and schemas and migrate them."),
    ("topology", "deploy.broker:app", "The broker's exchanges, queues, bindings and users: apply, check."),
    ("schemas", "deploy.contract:app", "The published contract: export, check."),
)
LOOKING = (
    ("orders", "services.control_room.cli:orders", "Orders and their timelines."),
    ("dead-letters", "services.control_room.cli:dead_letters", "What no service could handle; replay and discard."),
)
"""They say themselves what is logged, and load what logs only where they act: who looks does not wait for it."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """The console script. Commands print; what they log goes to stderr, and only if it went wrong."""
    if sys.argv[1:2] not in [[name] for name, _, _ in LOOKING]:
        from shared import logs

        logs.configure("fleet", "error", "text", sys.stderr)
    app(prog_name="fleet")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dropfleet {version('dropfleet')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the release.")]


@app.callback()
def fleet(show_version: Version = False) -> None:
    """The fleet: asyncio consumers that run a dropshipping business over RabbitMQ.

    FLEET_AMQP_URL, FLEET_MANAGEMENT_URL and FLEET_DATABASE_URL name real servers.
    """


@app.command("run")
def run_service(service: Annotated[str, typer.Argument(help="Name of the service.")]) -> None:
    """Run one service in this process, until SIGTERM."""
    if service not in (known := runnable()):
        fail(f"there is no service {service!r}; there are {', '.join(known)}")
    import_module(f"services.{service}.__main__").main()


def runnable() -> list[str]:
    """The services that have a composition root."""
    return sorted(path.parent.name for root in services.__path__ for path in Path(root).glob("*/__main__.py"))


for _name, _target, _help in (*COMMANDS, *LOOKING):
    mount(app, _name, _target, _help)

if __name__ == "__main__":
    main()
