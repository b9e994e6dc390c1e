"""Who acts and why: the options of every command that changes something."""

import getpass
from typing import Annotated

import typer


def whoami() -> str:
    """The account that runs the command. BadParameter: it has no name (an arbitrary uid in a container)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise typer.BadParameter("this account has no name: give --actor") from error


def not_blank(value: str) -> str:
    """BadParameter: nothing was said."""
    if not value.strip():
        raise typer.BadParameter("say something")
    return value


Why = Annotated[str, typer.Option("--why", help="Reason, kept with the action.", callback=not_blank)]
Actor = Annotated[str, typer.Option("--actor", help="Who orders it, kept with the action.", default_factory=whoami)]
