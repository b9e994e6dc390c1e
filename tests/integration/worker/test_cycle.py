"""The cycle when nothing goes wrong, and when the same thing comes twice."""

from schemas import envelope
from tests.integration.worker.bench import Bench, event, pack, payment, until


async def test_single_event_is_handled_published_and_acked(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment(), "e1"))
        await until(lambda: len(bench.facts) == 1)
        await until(lambda: bench.queue_depth_is(0))
    assert await bench.tally() == ("P1",)
    assert bench.facts[0]["causationid"] == "e1"
    assert await bench.rows("select 1 from inbox") != []


async def test_pack_of_events_is_handled_in_order(bench: Bench) -> None:
    body = pack(event(payment(payment=f"P{n}")) for n in range(200))
    async with bench.working():
        await bench.publish(body, content_type=envelope.PACK)
        await until(lambda: len(bench.facts) == 200)
    assert await bench.tally() == tuple(f"P{n}" for n in range(200))


async def test_same_event_three_times_is_handled_once(bench: Bench) -> None:
    twice = event(payment(), "same")
    async with bench.working():
        await bench.publish(twice, twice)
        await bench.publish(pack([twice, event(payment(payment="P2"))]), content_type=envelope.PACK)
        await until(lambda: len(bench.facts) == 2)
        await until(lambda: bench.queue_depth_is(0))
    assert await bench.tally() == ("P1", "P2")


async def test_same_id_of_another_source_is_another_event(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment(), "1"), event(payment(payment="P2"), "1", source="/upstream/other"))
        await until(lambda: len(bench.facts) == 2)


async def test_outgoing_rows_do_not_stay_when_idle(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment()))
        await until(lambda: len(bench.facts) == 1)

        async def nothing_left() -> bool:
            return await bench.rows("select 1 from outgoing") == []

        await until(nothing_left)


async def test_restart_after_work_changes_nothing(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment()))
        await until(lambda: len(bench.facts) == 1)
    async with bench.working():
        await bench.publish(event(payment(payment="P2")))
        await until(lambda: len(bench.facts) == 2)
    assert await bench.tally() == ("P1", "P2")
