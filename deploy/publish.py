"""`fleet publish FILE…`: upstream events from files, validated against the catalogue before any of them is sent."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import randrange
from typing import Annotated
from uuid import uuid4

import typer
from aiormq.exceptions import AMQPError

from deploy.console import failing_clearly, out, show_json
from deploy.settings import BrokerUrl, PublishSettings
from deploy.upstream import Checked, read_events
from schemas.envelope import EVENT, encode
from shared.broker.link import Link, open_link
from shared.broker.outgoing import NotConfirmed, Outgoing
from shared.broker.topology import INBOUND
from shared.settings import read

BLOCKED_SECONDS = 60.0
CHUNK = 500
"""Events whose confirms are awaited together."""
Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="JSON: a CloudEvent or an array; - is stdin.")]
ExampleOrders = Annotated[
    int, typer.Option(min=0, max=10_000, help="So many new made-up orders of the demo's stores, with their payments.")
]
Skip = Annotated[bool, typer.Option("--skip-invalid", help="Publish the valid ones all the same.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Validate only.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


class Unreachable(Exception):
    """The broker does not answer, or does not know the user."""


def publish(
    files: Files = None,
    example_orders: ExampleOrders = 0,
    skip_invalid: Skip = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Validate events and publish them to fleet.inbound. Exit code 1 when any is invalid; then none is published."""
    if not files and not example_orders:
        raise typer.BadParameter("name files, or say --example-orders")
    checked = [*(event for file in files or () for event in read_events(file)), *made_up(example_orders)]
    problems = [f"{event.place}: {problem}" for event in checked for problem in event.problems]
    valid = [event for event in checked if not event.problems]
    sent = 0 if dry_run or (problems and not skip_invalid) else _send(valid)
    if json:
        show_json({"published": sent, "valid": len(valid), "invalid": len(checked) - len(valid), "problems": problems})
    else:
        sys.stderr.writelines(f"{problem}\n" for problem in problems)
        out.print(f"{len(valid)} valid, {len(checked) - len(valid)} invalid, {sent} published to {INBOUND}")
    raise typer.Exit(1 if problems else 0)


def made_up(count: int) -> list[Checked]:
    if not count:
        return []
    from deploy.local import world  # not needed where only files are published

    now, seed = datetime.now(UTC), randrange(10**6)
    return [
        Checked(m.subject, m.TYPE, encode(m, id=str(uuid4()), source="/upstream/examples", time=now))
        for m in world.orders(count, seed, at=now)
    ]


def _send(events: Sequence[Checked]) -> int:
    if not events:
        return 0
    url = read(PublishSettings).upstream_amqp_url or read(BrokerUrl).amqp_url
    with failing_clearly(NotConfirmed, Unreachable):
        asyncio.run(_publish(url, events))
    return len(events)


async def _publish(url: str, events: Sequence[Checked]) -> None:
    """In chunks, each confirmed before the next. NotConfirmed says how far it came."""
    async with _link(url) as link:
        for start in range(0, len(events), CHUNK):
            try:
                async with asyncio.timeout(BLOCKED_SECONDS):
                    await link.publish([_message(event) for event in events[start : start + CHUNK]])
            except TimeoutError as error:
                raise NotConfirmed(
                    f"{start} of {len(events)} events are confirmed: the broker blocks publishers"
                ) from error
            except NotConfirmed as error:
                raise NotConfirmed(f"{start} of {len(events)} events are confirmed, then: {error}") from error


def _message(event: Checked) -> Outgoing:
    return Outgoing(INBOUND, event.type, EVENT, event.body, uuid4().hex)


@asynccontextmanager
async def _link(url: str) -> AsyncIterator[Link]:
    """Raises Unreachable where the broker does not answer or does not know the user."""
    async with AsyncExitStack() as stack:
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # what it would say is in Unreachable
        try:
            link = await stack.enter_async_context(open_link(url, "fleet publish"))
        except (AMQPError, OSError, ValueError) as error:
            place = url.rpartition("@")[2].removeprefix("amqp://")
            raise Unreachable(
                f"no broker takes us at {place} (FLEET_UPSTREAM_AMQP_URL or FLEET_AMQP_URL): {error}"
            ) from error
        yield link
