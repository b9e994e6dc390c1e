"""Runs one service as a process: health, database, worker, caller; SIGTERM ends it in order."""

import asyncio
import contextlib
import gc
import signal
from importlib.metadata import PackageNotFoundError, version

import asyncpg
import structlog
import uvloop

from shared import logs
from shared.broker.check import check_own_part
from shared.broker.difference import TopologyWrong
from shared.database import StoppedWaiting, open_pool
from shared.health import Health, serving
from shared.partner.caller import Caller
from shared.settings import Runtime
from shared.worker import partitions
from shared.worker.batch import Desk
from shared.worker.routes import Routes
from shared.worker.subscription import Service
from shared.worker.worker import Worker

log = structlog.get_logger()


def run(service: Service, runtime: Runtime) -> None:
    """Until SIGTERM or SIGINT. What has begun is finished within the grace period."""
    logs.configure(service.name, runtime.log_level, runtime.log_format)
    collect_less_often()
    uvloop.run(_main(service, runtime))


def collect_less_often() -> None:
    """Events make many objects and few cycles, and modules and models live for ever: looking for garbage at CPython's
    default pace took some 8 % of a worker's time."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _main(service: Service, runtime: Runtime) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    await serve(service, runtime, stop)


async def serve(service: Service, runtime: Runtime, stop: asyncio.Event, health: Health | None = None) -> None:
    """The service, until `stop`. In a function of its own so that tests run it in their loop."""
    health = health or Health()
    async with serving(health, runtime.health_host, runtime.health_port):
        main = asyncio.create_task(_with_database(service, runtime, stop, health))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([main, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        log.info("service.stopping")
        try:
            async with asyncio.timeout(runtime.grace_seconds):
                await main
        except TimeoutError:
            log.error("service.grace_over", seconds=runtime.grace_seconds)
        log.info("service.stopped")


async def _with_database(service: Service, runtime: Runtime, stop: asyncio.Event, health: Health) -> None:
    with contextlib.suppress(StoppedWaiting):
        async with open_pool(runtime.database_url, service.name, health, stop) as pool:
            ending = asyncio.create_task(_end_connections(pool, stop, runtime.grace_seconds))
            try:
                await _work(service, runtime, stop, health, pool)
            finally:
                ending.cancel()


async def _end_connections(pool: asyncpg.Pool, stop: asyncio.Event, grace_seconds: float) -> None:
    """When the grace period is over. What is cancelled then waits for the server's word that it stopped, which one that
    vanished never says."""
    await stop.wait()
    await asyncio.sleep(grace_seconds)
    pool.terminate()


async def _work(service: Service, runtime: Runtime, stop: asyncio.Event, health: Health, pool: asyncpg.Pool) -> None:
    release = release_version()
    desk = Desk(service, Routes(service), release, runtime.ladder_seconds)

    async def check() -> None:
        wrong = await check_own_part(runtime.amqp_url, service.name, runtime.management_url)
        if wrong:
            raise TopologyWrong(wrong)

    partitioned = partitions.of_runtime(runtime.retention_days)
    await partitions.keep_once(pool, partitioned)  # a service that was away for weeks has no partition for today
    worker = Worker(desk, pool, runtime, health, check)
    caller = Caller(
        service.name, release, service.operations, pool, worker.send_saved, worker.wake.calls, service.named
    )
    beside = [
        asyncio.create_task(task)
        for task in (
            worker.tick(),
            partitions.keep(pool, partitioned),
            *(task(pool) for task in service.tasks),
        )
    ]
    calling = asyncio.create_task(caller.run(stop))
    for task in (*beside, calling):
        task.add_done_callback(lambda done: _stop_if_broken(done, stop))
    try:
        await worker.run(stop)
        await calling
    finally:
        for task in (*beside, calling):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*beside, calling, return_exceptions=True)


def _stop_if_broken(task: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    """Nothing beside the cycle ends by itself: a bug in it ends the process, which is started again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("service.broken", error=str(error), exc_info=error)
        stop.set()


def release_version() -> str:
    try:
        return version("dropfleet")
    except PackageNotFoundError:
        return "unknown"
