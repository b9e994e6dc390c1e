"""`fleet up`, and `fleet env`, which tells other terminals how to reach it."""

import asyncio
import contextlib
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.console import failing_clearly, out
from deploy.local import fleet, session, site, stack, world
from deploy.local.demo import publish
from deploy.local.fleet import Fleet, NotReady
from deploy.local.health import ServerFailed
from deploy.local.package import RabbitMQMissing
from deploy.local.session import AlreadyRunning, NotRunning
from deploy.local.settings import WrongSettings
from deploy.local.site import Site
from schemas.catalogue import UPSTREAM
from shared.broker.publisher import Publisher
from shared.broker.publisher import running as publishing

UP = stack.STACKS / "up"
FAILURES = (NotReady, ServerFailed, RabbitMQMissing, WrongSettings)

Folder = Annotated[Path, typer.Option(help="Folder of the private servers, the data and the logs.")]
World = Annotated[
    bool, typer.Option("--world/--no-world", help="Publish the demo's stores, suppliers, offers and channels.")
]
Act = Annotated[bool, typer.Option("--act", help="Also the right to order replays and discards of dead letters.")]
Administrator = Annotated[
    bool, typer.Option("--administrator", help="An administrator's instead, for `topology` and `migrate`.")
]


def up(folder: Folder = UP, world: World = True) -> None:
    """Keep the whole fleet running on private servers and print the addresses. Ctrl-C stops it; the data stays."""
    with failing_clearly(*FAILURES, AlreadyRunning), contextlib.suppress(asyncio.CancelledError), session.alone(folder):
        asyncio.run(_up(folder, with_world=world))


def env(folder: Folder = UP, act: Act = False, administrator: Administrator = False) -> None:
    """Print the variables with which other commands reach a running `fleet up`: eval "$(fleet env)".

    Each is for one thing: publish as the upstream system, look at orders and dead letters, and with --act order
    replays and discards. Nothing else is allowed with them.
    """
    with failing_clearly(NotRunning):
        found = session.load(folder)
    for line in session.lines(found.administrator if administrator else found.engineer if act else found.reader):
        typer.echo(line)


async def _up(folder: Path, *, with_world: bool) -> None:
    _stop_on_signals()
    out.print("starting PostgreSQL and RabbitMQ …")
    async with stack.running(folder) as servers:
        place = await site.prepare(servers.addresses, folder, "fleet", afresh=False)
        out.print("starting the services …")
        async with fleet.running(place) as members:
            if with_world:
                await _publish_world(place, members)
            session.announce(folder, session.exports(place))
            _print_addresses(place, members)
            await _tell_restarts(members)


def _stop_on_signals() -> None:
    """The first SIGINT or SIGTERM ends what runs, wherever it is, and leaves in order; later ones change nothing."""
    task = asyncio.current_task()
    assert task is not None

    def stop() -> None:
        if not task.cancelling():
            out.print("stopping …")
            task.cancel()

    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stop)


async def _publish_world(place: Site, members: Fleet) -> None:
    """At every start: the sandbox partners' addresses change with it, and saying the same again changes nothing."""
    async with publishing(Publisher(place.amqp_url_of(UPSTREAM), UPSTREAM)) as publisher:
        await publish(publisher, world.reference_data(members.sandbox_url))


async def _tell_restarts(members: Fleet) -> None:
    """Until cancelled."""
    told: dict[str, int] = {}
    while True:
        await asyncio.sleep(1)
        for name, times in members.restarts.items():
            if told.get(name) != times:
                out.print(f"{name} ended and was started again ({times}×): {members.members[name].log}", soft_wrap=True)
        told = members.restarts


def _print_addresses(place: Site, members: Fleet) -> None:
    rows = [
        ("gateway", members.gateway_url),
        ("sandbox partners", members.sandbox_url),
        ("mails to customers", f"{members.sandbox_url}/mail"),
        ("broker's management", place.management_url),
        ("logs", str(place.logs)),
        *((f"{member.name} ready?", member.ready_url) for member in members.members.values()),
    ]
    for name, address in rows:
        out.print(f"{name:26}{address}", soft_wrap=True, markup=False)
    command = shlex.quote(sys.argv[0])
    option = "" if place.folder == UP else f" --folder {shlex.quote(str(place.folder.absolute()))}"
    out.print("\nIn another terminal:\n", markup=False)
    for line in (f'eval "$({command} env{option})"', f"{command} publish --example-orders 5", f"{command} orders list"):
        out.print(f"  {line}", soft_wrap=True, markup=False)
    out.print("\nCtrl-C stops everything; the data stays.")
