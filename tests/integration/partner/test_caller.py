"""Calls to partners: what the partner sees, what the service is told, and what is left in the database."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from schemas.payment import PaymentApproved
from schemas.runtime import DeadLetterDiscardRequested, DeadLetterReplayRequested
from shared.partner import gate
from shared.partner.operation import Policy
from tests.integration.partner.partner import Act, Partner, after, ask, calling, cut, ok, status
from tests.integration.worker.bench import NAME, Bench, until


async def statuses(bench: Bench) -> list[str]:
    """Of the calls in their order; those that are closed come last."""
    rows = await bench.rows("select status from partner_call order by seq")
    return [row["status"] for row in rows] + ["closed"] * len(await bench.rows("select 1 from partner_call_done"))


async def test_answer_is_decided_and_closes_its_call(bench: Bench, partner: Partner) -> None:
    async with bench.working(calling(partner)):
        await bench.publish(ask("price"))
        await until(lambda: told(bench, "price=ok"))
        assert await statuses(bench) == ["closed"]
    [row] = await bench.rows("select * from partner_call_done")
    assert [s.key for s in partner.seen] == [str(row["id"])]
    assert json.loads(row["answer"]) == {"text": "ok"}
    assert row["attempt"] == 1


async def test_call_of_a_lane_waits_for_the_one_before_and_other_lanes_do_not(bench: Bench, partner: Partner) -> None:
    answer = asyncio.Event()
    partner.acts["order"].append(after(answer))
    async with bench.working(calling(partner)):
        await bench.publish(ask("order", lane="1"), ask("cancel", lane="1"), ask("other", lane="2"))
        await until(lambda: told(bench, "other=ok"))
        assert [s.what for s in partner.seen if s.what != "other"] == ["order"]
        assert (await statuses(bench))[:2] == ["leased", "pending"]
        answer.set()
        await until(lambda: told(bench, "other=ok", "order=ok", "cancel=ok"))


async def test_call_of_a_lane_waits_while_the_one_before_is_tried_again(bench: Bench, partner: Partner) -> None:
    partner.acts["order"] += [status(503), status(503)]
    async with bench.working(calling(partner)):
        await bench.publish(ask("order", lane="1"), ask("cancel", lane="1"))
        await until(lambda: told(bench, "order=ok", "cancel=ok"))
    assert [s.what for s in partner.seen] == ["order", "order", "order", "cancel"]


async def silence(_: Any) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("act", [status(500), silence, cut], ids=["500", "time-out", "connection cut"])
async def test_uncertain_call_is_sent_again_with_the_same_key(bench: Bench, partner: Partner, act: Act) -> None:
    partner.acts["pay"].append(act)
    async with bench.working(calling(partner, Policy(timeout=0.5))):
        await bench.publish(ask("pay"))
        await until(lambda: told(bench, "pay=ok"))
    [row] = await bench.rows("select * from partner_call_done")
    assert row["uncertain"]
    assert [s.key for s in partner.seen] == [str(row["id"])] * 2


async def test_connection_refused_is_tried_again_and_is_not_uncertain(bench: Bench, partner: Partner) -> None:
    url, partner.url = partner.url, "http://127.0.0.1:9"
    async with bench.working(calling(partner, Policy(uncertain="stop"))):
        await bench.publish(ask("pay"))
        await until(lambda: failed(bench, 1))
        partner.url = url
        await until(lambda: told(bench, "pay=ok"))
    assert [row["uncertain"] for row in await bench.rows("select uncertain from partner_call_done")] == [False]


async def test_uncertain_call_is_asked_about_first_and_not_done_twice(bench: Bench, partner: Partner) -> None:
    partner.acts["pay"] += [status(500), ok("done before")]
    async with bench.working(calling(partner, Policy(uncertain="query"))):
        await bench.publish(ask("pay"))
        await until(lambda: told(bench, "pay=done before"))
    assert [s.asked for s in partner.seen] == [False, True]


async def test_uncertain_call_that_had_no_effect_is_done_after_asking(bench: Bench, partner: Partner) -> None:
    partner.acts["pay"] += [status(500), status(404)]
    async with bench.working(calling(partner, Policy(uncertain="query"))):
        await bench.publish(ask("pay"))
        await until(lambda: told(bench, "pay=ok"))
    assert [s.asked for s in partner.seen] == [False, True, False]
    assert len({s.key for s in partner.seen}) == 1


async def test_uncertain_call_that_must_stop_is_exhausted_at_once(bench: Bench, partner: Partner) -> None:
    partner.acts["pay"].append(status(500))
    async with bench.working(calling(partner, Policy(uncertain="stop"))):
        await bench.publish(ask("pay"))
        await until(lambda: told(bench, "pay exhausted"))
        await until(lambda: len(bench.dead) == 1)
    assert len(partner.seen) == 1
    assert "uncertain" in bench.dead[0]["data"]["error"]


async def test_what_came_of_a_call_is_kept_though_its_circuit_cannot_be_written(bench: Bench, partner: Partner) -> None:
    """All calls of a partner share the circuit's row: who holds it must not make a certain outcome an uncertain one."""
    partner.acts["pay"].append(status(503))
    rival = await asyncpg.connect(bench.admin_url)
    try:
        async with bench.working(calling(partner, Policy(uncertain="stop"))):
            await rival.execute(f"begin; lock table {NAME}.partner_gate in share row exclusive mode")
            await bench.publish(ask("pay"))
            await until(lambda: failed(bench, 1), 5)
            await rival.execute("rollback")
            await until(lambda: told(bench, "pay=ok"))
    finally:
        await rival.close()
    assert [row["uncertain"] for row in await bench.rows("select uncertain from partner_call_done")] == [False]


async def test_retry_after_holds_every_call_to_the_partner_and_none_to_others(bench: Bench, partner: Partner) -> None:
    partner.acts["first"].append(status(429, Retry_After="5"))
    async with bench.working(calling(partner)):
        await bench.publish(ask("first"))
        await until(lambda: failed(bench, 1))
        await bench.publish(ask("second"), ask("elsewhere", partner="other"))
        await until(lambda: told(bench, "first=ok", "second=ok", "elsewhere=ok"))
    refused = partner.about("first")[0].at
    assert partner.about("elsewhere")[0].at - refused < 4.9
    for seen in (partner.about("first")[1], partner.about("second")[0]):
        assert 4.9 <= seen.at - refused < 30


@pytest.mark.parametrize("said", ["99999999999999999999", "Wed, 21 Oct 99999 07:28:00 GMT", "soon"])
async def test_retry_after_that_makes_no_sense_leaves_the_call_to_be_tried_again(
    bench: Bench, partner: Partner, said: str
) -> None:
    partner.acts["pay"].append(status(429, Retry_After=said))
    async with bench.working(calling(partner)):
        await bench.publish(ask("pay"))
        await until(lambda: failed(bench, 1))
        [row] = await bench.rows("select due < now() + interval '61 minutes' as soon, uncertain from partner_call")
        assert (row["soon"], row["uncertain"]) == (True, False)


async def test_rate_is_shared_by_two_workers(bench: Bench, partner: Partner) -> None:
    rate, calls = 8.0, 24
    policy = Policy(rate=rate)
    async with bench.working(calling(partner, policy)), bench.working(calling(partner, policy)):
        await bench.publish(*(ask(f"w{n}") for n in range(calls)))
        await until(lambda: told(bench, *(f"w{n}=ok" for n in range(calls))))
    times = [s.at for s in partner.seen]
    assert len(times) == calls
    assert len({s.worker for s in partner.seen}) == 2, "both workers made calls"
    for first in range(calls):
        for last in range(first + 1, calls):
            allowed = rate * (times[last] - times[first] + gate.BURST) + 1.5
            assert last - first + 1 <= allowed, f"{last - first + 1} calls in {times[last] - times[first]:.2f} s"


async def open_circuit(bench: Bench, partner: Partner) -> float:
    """The partner is down until the circuit has opened; seconds for which nothing may be sent now."""
    partner.down = True
    await bench.publish(*(ask(f"c{n}") for n in range(gate.OPEN_AFTER)))

    async def left() -> float | None:
        rows = await bench.rows(
            "select extract(epoch from open_until - now())::float as left from partner_gate "
            "where open_until > now() and not exists (select 1 from partner_call where status = 'leased')"
        )
        return rows[0]["left"] if rows else None

    return float(await until(left, why="the circuit opens"))


async def test_circuit_opens_after_failures_running_and_closes_with_a_success(bench: Bench, partner: Partner) -> None:
    async with bench.working(calling(partner)):
        left, since = await open_circuit(bench, partner), asyncio.get_running_loop().time()
        before, partner.down = len(partner.seen), False
        names = [*(f"c{n}" for n in range(gate.OPEN_AFTER)), *(f"late{n}" for n in range(5))]
        await bench.publish(*(ask(name) for name in names[gate.OPEN_AFTER :]))
        await until(lambda: told(bench, *(f"{name}=ok" for name in names)))
        assert [tuple(r) for r in await bench.rows("select failures, open_until from partner_gate")] == [(0, None)]
    assert before >= gate.OPEN_AFTER
    assert partner.seen[before].at - since >= left - 0.1, "nothing is sent while it is open"


async def test_open_circuit_is_probed_with_one_call_and_stays_open_longer(bench: Bench, partner: Partner) -> None:
    async with bench.working(calling(partner)), bench.working(calling(partner)):
        await open_circuit(bench, partner)
        before = len(partner.seen)
        await until(lambda: len(partner.seen) >= before + 2)
    probe, next_probe = partner.seen[before].at, partner.seen[before + 1].at
    assert next_probe - probe >= 1.9, "one call of all that are due, then a longer wait"


async def test_failures_that_successes_interrupt_do_not_open_the_circuit(bench: Bench, partner: Partner) -> None:
    async with bench.working(calling(partner)):
        for n in range(gate.OPEN_AFTER + 2):
            partner.acts[f"c{n}"].append(status(503))
            await bench.publish(ask(f"c{n}"))
            await until(lambda n=n: told(bench, *(f"c{m}=ok" for m in range(n + 1))))
        rows = await bench.rows("select failures, open_until from partner_gate")
    assert [tuple(row.values()) for row in rows] == [(0, None)]


async def test_rejected_call_is_exhausted_told_and_shown_among_the_dead_letters(bench: Bench, partner: Partner) -> None:
    partner.acts["pay"].append(status(422))
    async with bench.working(calling(partner)):
        await bench.publish(ask("pay"))
        await until(lambda: told(bench, "pay exhausted"))
        await until(lambda: len(bench.dead) == 1)
    letter = bench.dead[0]["data"]
    assert (letter["kind"], letter["reason"], letter["attempts"]) == ("call", "call_exhausted", 1)
    assert "answered 422" in letter["error"]
    assert json.loads(base64.b64decode(letter["body"])) == {"partner": "acme", "what": "pay"}
    assert await statuses(bench) == ["exhausted"]


async def test_answer_that_nobody_understands_is_exhausted(bench: Bench, partner: Partner) -> None:
    async def rubbish(_: Any) -> Any:
        from aiohttp import web

        return web.json_response({"unexpected": 1})

    partner.acts["pay"].append(rubbish)
    async with bench.working(calling(partner)):
        await bench.publish(ask("pay"))
        await until(lambda: told(bench, "pay exhausted"))
        await until(lambda: len(bench.dead) == 1)
    assert "ValidationError" in bench.dead[0]["data"]["error"]


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=["NUL", "half a pair"])
async def test_answer_that_cannot_be_stored_is_exhausted_and_not_asked_for_again(
    bench: Bench, partner: Partner, text: str
) -> None:
    partner.acts["pay"].append(ok(text))
    async with bench.working(calling(partner)):
        await bench.publish(ask("pay"))
        await until(lambda: told(bench, "pay exhausted"))
        await until(lambda: len(bench.dead) == 1)
    assert "the answer cannot be stored" in bench.dead[0]["data"]["error"]
    assert len(partner.seen) == 1


async def test_windows_end_while_the_circuit_is_open_and_nobody_is_asked(bench: Bench, partner: Partner) -> None:
    async with bench.working(calling(partner)):
        await open_circuit(bench, partner)
        await bench.rows("update partner_gate set open_until = now() + interval '1 hour'")
        await until(lambda: nothing_is_leased(bench))
        asked = len(partner.seen)
        calls = await bench.rows("update partner_call set exhaust_at = now() where status = 'pending' returning id")
        await until(lambda: all_are_exhausted(bench, len(calls)))
    assert len(calls) > 1
    assert len(partner.seen) == asked


async def nothing_is_leased(bench: Bench) -> bool:
    return "leased" not in await statuses(bench)


async def all_are_exhausted(bench: Bench, number: int) -> bool:
    return (await statuses(bench)).count("exhausted") == number


async def test_replay_of_an_exhausted_call_makes_it_again_as_a_new_generation(bench: Bench, partner: Partner) -> None:
    partner.acts["pay"] += [status(422), status(422)]
    async with bench.working(calling(partner)):
        await bench.publish(ask("pay"))
        await until(lambda: len(bench.dead) == 1 and told_now(bench, "pay exhausted"))
        for deaths in (1, 2):
            occurrence = bench.dead[deaths - 1]["data"]["occurrence"]
            await bench.command(DeadLetterReplayRequested(occurrence=occurrence, replay_id=uuid4().hex, service=NAME))
            if deaths == 1:
                await until(lambda: len(bench.dead) == 2)
        await until(lambda: told(bench, "pay exhausted", "pay exhausted", "pay=ok"))
        outcomes = [f["data"]["outcome"] for f in bench.facts if f["type"] == "dead_letter.resolved.v1"]
    assert outcomes == ["called_again", "called_again"]
    assert len({s.key for s in partner.seen}) == 1
    assert await statuses(bench) == ["closed"]
    assert [r["generation"] for r in await bench.rows("select generation from partner_call_done")] == [3]


@pytest.mark.parametrize(
    ("act", "window"),
    [
        pytest.param(status(500), 0.0, id="window over"),
        pytest.param(ok("a\0b"), 60.0, id="answer could not be stored"),
    ],
)
async def test_replay_of_a_call_that_may_have_had_its_effect_asks_first_and_does_it_not_twice(
    bench: Bench, partner: Partner, act: Act, window: float
) -> None:
    partner.acts["pay"] += [act, ok("done before")]
    async with bench.working(calling(partner, Policy(uncertain="query"), window=window)):
        await bench.publish(ask("pay"))
        await until(lambda: len(bench.dead) == 1 and told_now(bench, "pay exhausted"))
        occurrence = bench.dead[0]["data"]["occurrence"]
        await bench.command(DeadLetterReplayRequested(occurrence=occurrence, replay_id=uuid4().hex, service=NAME))
        await until(lambda: told(bench, "pay exhausted", "pay=done before"))
    assert [s.asked for s in partner.seen] == [False, True]


async def test_call_that_is_replayed_late_is_tried_as_long_as_at_first(bench: Bench, partner: Partner) -> None:
    partner.acts["pay"] += [status(422), status(422), status(422)]
    async with bench.working(calling(partner)):
        await bench.publish(ask("pay"))
        for deaths in (1, 2, 3):
            await until(lambda: len(bench.dead) == deaths)  # noqa: B023
            [row] = await bench.rows("select *, exhaust_at - coalesce(revived_at, created_at) as w from partner_call")
            if deaths == 1:
                first = row["w"]
            assert row["w"] == first
            await bench.rows(
                "update partner_call set created_at = created_at - interval '9 d', exhaust_at = exhaust_at - interval "
                "'9 d', revived_at = revived_at - interval '9 d' returning 1"
            )
            occurrence = bench.dead[deaths - 1]["data"]["occurrence"]
            await bench.command(DeadLetterReplayRequested(occurrence=occurrence, replay_id=uuid4().hex, service=NAME))
        await until(lambda: told(bench, *["pay exhausted"] * 3, "pay=ok"))


async def test_discarded_call_is_closed_and_not_made(bench: Bench, partner: Partner) -> None:
    partner.acts["pay"].append(status(422))
    async with bench.working(calling(partner)):
        await bench.publish(ask("pay"))
        await until(lambda: len(bench.dead) == 1)
        occurrence = bench.dead[0]["data"]["occurrence"]
        await bench.command(DeadLetterDiscardRequested(occurrence=occurrence, replay_id="r", service=NAME))
        await until(lambda: [f for f in bench.facts if f["type"] == "dead_letter.resolved.v1"])
    assert await statuses(bench) == ["closed"]
    assert len(partner.seen) == 1


async def test_call_whose_window_is_over_is_exhausted(bench: Bench, partner: Partner) -> None:
    partner.acts["pay"] += [status(503)] * 20
    async with bench.working(calling(partner, window=3.0)):
        await bench.publish(ask("pay"))
        await until(lambda: told(bench, "pay exhausted"))
    assert len(partner.seen) >= 2, "it was tried again within the window"
    assert partner.seen[-1].at - partner.seen[0].at < 30


async def test_late_answer_of_a_lost_lease_is_dropped(bench: Bench, partner: Partner) -> None:
    late, timely = asyncio.Event(), asyncio.Event()
    partner.acts["pay"] += [after(late, ok("late")), after(timely, ok("timely"))]
    async with bench.working(calling(partner)), bench.working(calling(partner)):
        await bench.publish(ask("pay"))
        await until(lambda: len(partner.seen) == 1)
        await bench.rows("update partner_call set lease_until = now() - interval '1 s' returning 1")
        await until(lambda: len(partner.seen) == 2)
        late.set()
        await bench.publish(ask("after"))
        await until(lambda: told_now(bench, "after=ok"))
        timely.set()
        await until(lambda: told(bench, "after=ok", "pay=timely"))
    assert [s.key for s in partner.about("pay")] == [partner.seen[0].key] * 2
    [first, _] = await bench.rows("select uncertain from partner_call_done order by created_at")
    assert first["uncertain"]


async def test_worker_that_dies_with_a_call_under_way_leaves_it_to_the_next(bench: Bench, partner: Partner) -> None:
    never = asyncio.Event()
    partner.acts["pay"].append(after(never))
    async with bench.working(calling(partner, Policy(timeout=30)), grace_seconds=0.5):
        await bench.publish(ask("pay"))
        await until(lambda: len(partner.seen) == 1)
    assert await statuses(bench) == ["leased"]
    await bench.rows("update partner_call set lease_until = now() - interval '1 s' returning 1")
    async with bench.working(calling(partner)):
        await until(lambda: told(bench, "pay=ok"))
    assert len({s.key for s in partner.seen}) == 1


async def test_slow_partner_does_not_delay_another(bench: Bench, partner: Partner) -> None:
    answer = asyncio.Event()
    for n in range(12):
        partner.acts[f"s{n}"].append(after(answer))
    async with bench.working(calling(partner, Policy(concurrency=4))):
        await bench.publish(*(ask(f"s{n}", partner="slow") for n in range(12)))
        await until(lambda: len(partner.seen) == 4)
        await bench.publish(*(ask(f"f{n}", partner="fast", order="ORD-2") for n in range(12)))
        await until(lambda: told(bench, *(f"f{n}=ok" for n in range(12)), order="ORD-2"))
        assert len([s for s in partner.seen if s.partner == "slow"]) == 4, "no more at once than it may"
        answer.set()
        await until(lambda: told(bench, *(f"s{n}=ok" for n in range(12))))


async def test_outgoing_row_that_nobody_sent_is_swept(bench: Bench, partner: Partner) -> None:
    async with bench.working(calling(partner), sweep_seconds=5.0):
        await until(lambda: "broker" in bench.health.waiting_for and not bench.health.reasons)
        await bench.rows(
            "insert into outgoing (batch, at, exchanges, routing_keys, content_types, message_ids, bodies) "
            "values ($1, $2, $3, $4, $5, $6, $7) returning 1",
            uuid4(),
            datetime.now(UTC) - timedelta(minutes=1),
            ["fleet.events", "fleet.inbound"],
            ["order.completed.v1", PaymentApproved.TYPE],
            ["application/cloudevents+json"] * 2,
            ["m1", "m2"],
            [ask("said").replace(PaymentApproved.TYPE.encode(), b"order.completed.v1"), ask("asked")],
        )
        await until(lambda: len(bench.facts) == 1)
        await until(lambda: told(bench, "asked=ok"))

        async def gone() -> bool:
            return not await bench.rows("select 1 from outgoing")

        await until(gone)


async def told(bench: Bench, *what: str, order: str = "ORD-1") -> bool:
    """Whether exactly this came of the order's calls, in any order, and all their rows say so."""
    return sorted(await bench.tally(order)) == sorted(what)


async def told_now(bench: Bench, what: str) -> bool:
    return what in await bench.tally()


async def failed(bench: Bench, attempts: int) -> bool:
    """Whether a call waits for its next try after so many."""
    return bool(await bench.rows("select 1 from partner_call where status = 'pending' and attempt >= $1", attempts))
