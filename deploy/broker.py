"""`fleet topology apply|check`: the broker as the table in code says."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from deploy.console import failing_clearly, out, show_json, show_table
from deploy.settings import BrokerSettings
from shared.broker import users
from shared.broker.apply import apply as make
from shared.broker.check import check as compare
from shared.broker.difference import Difference, TopologyWrong
from shared.broker.management import ManagementFailed
from shared.settings import read

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Prune = Annotated[bool, typer.Option("--prune", help="Remove bindings that the table does not have.")]


@app.command()
def apply(prune: Prune = False, json: Json = False) -> None:
    """Declare exchanges, queues, bindings and users' rights, as often as one likes.

    FLEET_PASSWORDS (JSON: user → password) creates users or sets their passwords. What exists with other arguments is
    reported, and then nothing is changed.
    """
    settings = read(BrokerSettings)
    known = {user.name for user in users.table()}
    passwords = {name: password for name, password in settings.passwords.items() if name in known}
    with failing_clearly(ManagementFailed, TopologyWrong):
        done = asyncio.run(make(settings.amqp_url, settings.management_url, passwords, prune=prune))
    if json:
        show_json(done)
        return
    for line in done:
        out.print(line)
    out.print(f"{len(done)} changes" if done else "nothing to change")


@app.command()
def check(json: Json = False) -> None:
    """Compare the live broker with the table; exit code 1 when anything differs."""
    settings = read(BrokerSettings)
    with failing_clearly(ManagementFailed):
        found = asyncio.run(compare(settings.amqp_url, settings.management_url))
    if json:
        show_json([asdict(difference) for difference in found])
    else:
        _show(found)
    raise typer.Exit(1 if found else 0)


def _show(found: list[Difference]) -> None:
    if not found:
        out.print("the broker is as the table says")
        return
    show_table(("thing", "expected", "found", "what to do"), [(d.thing, d.expected, d.found, d.remedy) for d in found])
