"""Whatever anybody publishes ends as handled once, or as a dead letter that says what was wrong where."""

import base64
import json

import pytest

from schemas import envelope
from tests.integration.worker.bench import Bench, event, pack, payment, until


def wrong(**changes: object) -> bytes:
    said = json.loads(event(payment()))
    said["data"].update(changes)
    return json.dumps(said).encode()


CASES = [
    ("not JSON", b"\xff\xfe rubbish", {}, "undecodable", "not JSON"),
    ("empty body", b"", {}, "undecodable", "not JSON"),
    ("nested too deep", b"[" * 100_000, {}, "undecodable", "not JSON"),
    ("wrong envelope", b'{"hello": 1}', {}, "invalid", "specversion: Field required"),
    ("a list as an event", b"[1, 2]", {}, "invalid", "should be an object"),
    ("wrong content type", event(payment()), {"content_type": "text/plain"}, "undecodable", "text/plain"),
    ("empty pack", b"[]", {"content_type": envelope.PACK}, "undecodable", "at least one event"),
    ("schema violation", wrong(amount="12,50"), {}, "invalid", "data.amount: Value error, money is"),
    ("missing field", wrong(payment_id=None), {}, "invalid", "data.payment_id"),
    ("type is not the routing key", event(payment(), type="payment.expired.v1"), {}, "invalid", "routing key"),
    ("CC header", event(payment()), {"headers": {"CC": ["order.placed.v2"]}}, "invalid", "CC"),
    ("old version nobody knows", event(payment()), {"key": "payment.approved.v0"}, "unknown_type", "v0"),
    ("too old", event(payment(), time="2020-01-01T00:00:00Z"), {}, "too_old", "2020"),
]


@pytest.mark.parametrize(("what", "body", "how", "reason", "error"), CASES, ids=[c[0] for c in CASES])
async def test_bad_message_becomes_a_dead_letter_and_the_next_is_handled(
    bench: Bench, what: str, body: bytes, how: dict[str, object], reason: str, error: str
) -> None:
    async with bench.working():
        await bench.publish(body, **how)  # type: ignore[arg-type]
        await bench.publish(event(payment()))
        await until(lambda: len(bench.facts) == 1 and len(bench.dead) == 1, why=what)
        await until(lambda: bench.queue_depth_is(0))
    letter = bench.dead[0]["data"]
    assert letter["reason"] == reason
    assert error in letter["error"]
    assert base64.b64decode(letter["body"]) == body
    assert letter.get("key") is None, "what cannot be decided holds nobody up"


async def test_ten_megabytes_become_a_dead_letter(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(b"x" * 10_000_000, event(payment()))
        await until(lambda: len(bench.facts) == 1 and len(bench.dead) == 1, 40)


async def test_one_bad_event_of_a_pack_is_dead_alone(bench: Bench) -> None:
    bad = wrong(amount=-1)
    body = pack([event(payment(payment="P1")), bad, event(payment(payment="P2"))])
    async with bench.working():
        await bench.publish(body, content_type=envelope.PACK)
        await until(lambda: len(bench.facts) == 2 and len(bench.dead) == 1)
    assert await bench.tally() == ("P1", "P2")
    assert base64.b64decode(bench.dead[0]["data"]["body"]) == bad, "cut out of the pack as it was"


async def test_bad_event_twice_is_one_dead_letter(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(b"rubbish", b"rubbish", event(payment()))
        await until(lambda: len(bench.facts) == 1)
        await until(lambda: bench.queue_depth_is(0))
    assert len(bench.dead) == 1


async def test_newer_version_waits_then_becomes_a_dead_letter(bench: Bench) -> None:
    async with bench.working(ladder_seconds=(0.1, 2.0)):
        await bench.publish(event(payment(), "new", type="payment.approved.v9"), key="payment.approved.v9")

        async def waits() -> bool:
            return [(r["status"], r["attempt"]) for r in await bench.kept()] == [("waiting", 2)]

        await until(waits)
        assert bench.dead == []
        await until(lambda: len(bench.dead) == 1)
    assert bench.dead[0]["data"]["reason"] == "unknown_version"
    assert bench.dead[0]["data"]["attempts"] == 3
