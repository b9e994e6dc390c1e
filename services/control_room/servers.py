"""The two servers that the command line uses, opened for one command; one that is away is told in one line."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from asyncpg import Connection

from shared.broker.outgoing import NotConfirmed, Outgoing

SCHEMA = "control_room"
SETTINGS = {"search_path": SCHEMA, "application_name": "fleet", "work_mem": "64MB", "jit": "off"}
"""Of a reader's session: it groups 100,000 dead letters in memory; compiling a query takes longer than running it."""


class Unreachable(Exception):
    """A server does not take us; the message says which, where and why."""


@asynccontextmanager
async def reading(database_url: str) -> AsyncIterator[Connection]:
    """A connection to the control room's slice. Raises Unreachable."""
    try:
        connection = await asyncpg.connect(database_url, server_settings=SETTINGS, timeout=10)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        place = database_url.rpartition("@")[2].partition("?")[0]
        raise Unreachable(f"no database takes us at {place} (FLEET_DATABASE_URL): {said(error)}") from error
    try:
        yield connection
    finally:
        await connection.close()


async def send(amqp_url: str, messages: Sequence[Outgoing], deadline: float) -> None:
    """Returns when the broker has confirmed all. Unreachable, NotConfirmed: it has not."""
    import structlog  # here: who only looks waits neither for it nor for a client of the broker
    from aiormq.exceptions import AMQPError

    from shared.broker.link import open_link

    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # that the broker is away is told by the command itself
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    place = amqp_url.rpartition("@")[2]
    async with AsyncExitStack() as stack:
        try:
            link = await stack.enter_async_context(open_link(amqp_url, "fleet"))
        except (AMQPError, OSError, ValueError) as error:
            raise Unreachable(f"no broker takes us at {place} (FLEET_AMQP_URL): {said(error)}") from error
        try:
            async with asyncio.timeout(2 * deadline):
                await link.publish(messages, deadline)
        except NotConfirmed as error:
            if "ACCESS_REFUSED" in str(error) or "403" in str(error):
                raise Unreachable(f"the user at {place} (FLEET_AMQP_URL) may not act on dead letters") from error
            raise
        except TimeoutError as error:
            raise NotConfirmed(f"the broker at {place} blocks publishers") from error


def said(error: BaseException) -> str:
    """On one line; never empty."""
    return " ".join(str(error).split()) or type(error).__name__
