"""Who may speak under a name of our own services: it escapes age, and a dead letter of it speaks against us."""

from datetime import UTC, datetime, timedelta

from tests.integration.worker.bench import Bench, event, payment, until

LONG_AGO = (datetime.now(UTC) - timedelta(days=400)).isoformat()


async def test_upstream_under_our_name_is_refused_and_takes_nobodys_identity(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment(payment="false"), "e1", source="/dropfleet/po_dispatch"))
        await until(lambda: len(bench.dead) == 1)
        await say_to_services(bench, event(payment(payment="true"), "e1", source="/dropfleet/po_dispatch"))
        await until(lambda: said(bench) == 1)
    letter = bench.dead[0]["data"]
    assert letter["reason"] == "invalid"
    assert "'/dropfleet/po_dispatch' is a name of our own services" in letter["error"]
    assert letter["event_source"] == "/unknown/payment.approved.v1"
    assert await bench.tally() == ("true",)


async def test_service_that_makes_the_type_may_bring_it_in_and_is_as_old_as_anybody(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment(payment="P1"), source="/dropfleet/channel_sync"))
        await until(lambda: len(bench.facts) == 1)
        await bench.publish(event(payment(payment="P2"), source="/dropfleet/channel_sync", time=LONG_AGO))
        await until(lambda: len(bench.dead) == 1)
    assert bench.dead[0]["data"]["reason"] == "too_old"


async def test_what_our_services_say_among_themselves_may_be_old(bench: Bench) -> None:
    async with bench.working():
        await say_to_services(bench, event(payment(), source="/dropfleet/po_dispatch", time=LONG_AGO))
        await until(lambda: said(bench) == 1)
    assert bench.dead == []


async def test_rubbish_of_others_under_our_name_does_not_pause_the_worker(bench: Bench) -> None:
    async with bench.working(pause_after=3):
        for n in range(6):
            await bench.publish(event(payment(), f"e{n}", source="/dropfleet/channel_sync", datacontenttype=n))
        await bench.publish(event(payment()))
        await until(lambda: len(bench.facts) == 1 and len(bench.dead) == 6)
        assert not bench.health.told("paused")


def said(bench: Bench) -> int:
    """How many facts there are of the worker's own: what services say among themselves is seen by the bench too."""
    return sum(fact["source"] == "/dropfleet/order_intake" for fact in bench.facts)


async def say_to_services(bench: Bench, body: bytes) -> None:
    """Publishes where only services may write."""
    inbound = bench.inbound
    bench.inbound = await bench.channel.get_exchange("fleet.events", ensure=False)
    try:
        await bench.publish(body)
    finally:
        bench.inbound = inbound
