"""Input that is legal AMQP and that a database, a lock table or another decoder would choke on."""

from schemas import envelope
from tests.integration.worker.bench import Bench, event, pack, payment, until


async def test_nul_in_the_content_type_becomes_a_dead_letter(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment()), content_type="text/\0plain")
        await bench.publish(event(payment()))
        await until(lambda: len(bench.facts) == 1 and len(bench.dead) == 1)


async def test_nul_in_the_routing_key_becomes_a_dead_letter(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment()), key="payment.approved.v1\0")
        await bench.publish(event(payment()))
        await until(lambda: len(bench.facts) == 1 and len(bench.dead) == 1)


async def test_control_characters_in_an_id_do_not_spoil_the_dead_letter(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment(), "two\nlines"))
        await until(lambda: len(bench.dead) == 1)
    letter = bench.dead[0]
    assert all(ord(character) >= 0x20 for character in letter["correlationid"] + letter["causationid"])


async def test_pack_of_more_keys_than_the_database_can_lock_is_handled(bench: Bench) -> None:
    body = pack(event(payment(f"O{n}", f"P{n}")) for n in range(20_000))
    async with bench.working():
        await bench.publish(body, content_type=envelope.PACK)
        await until(lambda: len(bench.facts) == 20_000, 180)
        await until(lambda: bench.queue_depth_is(0))
    assert (await bench.rows("select count(*) from tally"))[0]["count"] == 20_000
