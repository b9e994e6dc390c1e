"""A missing migration: the worker waits for it, and the events wait with it."""

from shared import metrics
from tests.integration.worker.bench import Bench, event, payment, until
from tests.integration.worker.test_failures import owner


def sessions_lost() -> float:
    return float(metrics.SESSIONS_LOST._value.get())


async def test_missing_migration_keeps_the_session_and_kills_no_event(bench: Bench) -> None:
    await owner(bench, "alter table order_intake.tally rename to elsewhere")
    await bench.publish(event(payment()))
    async with bench.working():
        before = sessions_lost()
        assert "tally" in await until(lambda: bench.health.reasons.get("setup"))
        await owner(bench, "alter table order_intake.elsewhere rename to tally")
        await until(lambda: len(bench.facts) == 1)
        await until(lambda: not bench.health.reasons)
        assert sessions_lost() == before, "each session that is lost counts as a delivery"
    assert bench.dead == []


async def test_stop_while_a_migration_is_missing_does_not_wait_for_it(bench: Bench) -> None:
    await owner(bench, "alter table order_intake.tally rename to elsewhere")
    await bench.publish(event(payment()))
    async with bench.working(grace_seconds=600):
        await until(lambda: bench.health.reasons.get("setup"))
    await until(lambda: bench.queue_depth_is(1))
    await owner(bench, "alter table order_intake.elsewhere rename to tally")
