"""Commands that are imported when they are called, so that `fleet --help` does not load the whole fleet."""

from importlib import import_module
from typing import Any

import typer
from typer.main import get_command

from deploy.console import fail

PASS_ON = {
    "allow_extra_args": True,
    "allow_interspersed_args": False,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def mount(app: typer.Typer, name: str, target: str, help: str) -> None:
    """Adds the function or the Typer app at `module:attribute` as a command of `app`."""

    @app.command(name, help=help, context_settings=PASS_ON)
    def call(context: typer.Context) -> None:
        command = get_command(_as_app(load(target)))
        command.main(args=list(context.args), prog_name=f"fleet {name}")


def load(target: str) -> Any:
    """What `module:attribute` names. Ends with a clear error where this installation does not have the module."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        fail(f"this installation has no {error.name}; the private stack needs the extra: pip install dropfleet[local]")


def _as_app(target: Any) -> typer.Typer:
    if isinstance(target, typer.Typer):
        return target
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(target)
    return app
