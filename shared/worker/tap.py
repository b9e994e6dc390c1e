"""A consumer that only keeps what a queue carries: takes what waits, has it saved, acks after that. Decides nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import structlog

from shared.backoff import Backoff
from shared.broker.link import Delivery, Link, LinkLost, open_link

log = structlog.get_logger()

BATCH = 128
"""Deliveries saved at once at most."""
GATHER = 0.3
"""Seconds that what came waits for more: nobody waits for what a tap keeps, and many at once cost little more."""
BATCH_BYTES = 16 * 1024 * 1024

Save = Callable[[Sequence[Delivery]], Awaitable[object]]
"""Returns when the deliveries are durable; waits itself while what it saves to is away."""


async def run(url: str, queue: str, prefetch: int, save: Save) -> None:
    """Keeps until cancelled, through the loss of the broker."""
    backoff = Backoff()
    while True:
        try:
            async with open_link(url, queue) as link:
                log.info("tap.consuming", queue=queue)
                async for batch in _batches(link, queue, prefetch):
                    await save(batch)
                    await link.ack_up_to(batch[-1].tag)
                    backoff.reset()
        except Exception as error:
            log.warning("tap.interrupted", queue=queue, error=f"{type(error).__name__}: {error}")
        await backoff.wait()


async def _batches(link: Link, queue: str, prefetch: int) -> AsyncIterator[list[Delivery]]:
    """What waits, in order of arrival; waits where nothing does. LinkLost: the link is over."""
    waiting: asyncio.Queue[Delivery | None] = asyncio.Queue()
    link.lost.add_done_callback(lambda _: waiting.put_nowait(None))
    await link.consume(queue, prefetch, waiting.put_nowait)
    while True:
        batch: list[Delivery] = []
        size = 0
        if waiting.qsize() < BATCH:
            await asyncio.sleep(GATHER)
        while not batch or (len(batch) < BATCH and size < BATCH_BYTES and not waiting.empty()):
            delivery = await waiting.get()
            if delivery is None:
                raise LinkLost(link.lost.result())
            batch.append(delivery)
            size += len(delivery.body)
        yield batch
