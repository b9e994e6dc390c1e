"""`python -m services.gateway`: settings in, doors open until SIGTERM; requests that are in are finished first."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from services.gateway.app import create_app
from services.gateway.settings import Settings
from shared import logs
from shared.broker.publisher import Publisher
from shared.health import Health, serving
from shared.settings import read

log = structlog.get_logger()

PROBE_SECONDS = 0.5


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop` is set. While the broker is away the doors answer 503 and /readyz says why."""
    # The gateway's own deadline comes first; the publisher's is only a net below it.
    publisher = Publisher(settings.amqp_url, "gateway", deadline=2 * settings.gateway_confirm_seconds)
    health = Health()
    health.not_ready("broker", "not connected yet")
    async with (
        background(publisher.run()),
        background(watch(publisher, health)),
        serving(health, settings.health_host, settings.health_port),
        listening(create_app(settings, publisher.publish), settings) as port,
    ):
        log.info("gateway.open", port=port)
        await stop.wait()
        log.info("gateway.closing")


async def watch(publisher: Publisher, health: Health) -> None:
    """Keeps readiness in step with the connection."""
    while True:
        if publisher.is_up:
            health.ready("broker")
        else:
            health.not_ready("broker", "no connection")
        await asyncio.sleep(PROBE_SECONDS)


@asynccontextmanager
async def listening(app: web.Application, settings: Settings) -> AsyncIterator[int]:
    """The application on its port, which it yields; open requests have the grace time to end."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=settings.grace_seconds)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.gateway_host, settings.gateway_port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, stop)


def main() -> None:
    settings = read(Settings)
    logs.configure("gateway", settings.log_level, settings.log_format)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
