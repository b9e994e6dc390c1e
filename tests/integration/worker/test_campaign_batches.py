"""What control_room asks of a service for many dead letters at once: batches, and what they would come to."""

import base64
from typing import Any

import pytest

from schemas.payment import PaymentApproved
from schemas.runtime import AskedLetter, DeadLetterBatchRequested, DeadLetterInspectRequested
from shared.worker import rehearsal
from shared.worker.handling import Handling
from shared.worker.subscription import Service, Subscription
from tests.integration.worker.bench import NAME, TALLY, Bench, event, payment, service, until
from tests.integration.worker.test_failures import Switch


async def die(bench: Bench, *numbers: str) -> list[AskedLetter]:
    """Payments of an order each that a bug killed, as a campaign asks for them."""
    await bench.publish(*(event(payment(f"O-{number}", number), f"e-{number}") for number in numbers))
    await until(lambda: len(bench.dead) == len(numbers))
    letters = [said["data"] for said in bench.dead]
    return [
        AskedLetter(place=n, occurrence=one["occurrence"], event_source=one["event_source"], event_id=one["event_id"])
        for n, one in enumerate(letters)
    ]


def batch(letters: list[AskedLetter], action: Any = "replay") -> DeadLetterBatchRequested:
    return DeadLetterBatchRequested(service=NAME, campaign_id="c-1", action=action, letters=tuple(letters))


def inspection(letters: list[AskedLetter]) -> DeadLetterInspectRequested:
    return DeadLetterInspectRequested(service=NAME, inspection_id="i-1", letters=tuple(letters))


def answers(bench: Bench) -> dict[int, str]:
    said = [f["data"] for f in bench.facts if f["type"] == "dead_letter.batch_answered.v1"]
    return {answer["place"]: answer["outcome"] for one in said for answer in one["answers"]}


def findings(bench: Bench) -> dict[int, tuple[str, str]]:
    said = [f["data"] for f in bench.facts if f["type"] == "dead_letter.inspected.v1"]
    return {one["place"]: (one["finding"], one.get("detail", "")) for each in said for one in each["findings"]}


async def test_batch_replays_each_letter_for_itself_and_answers_them_together(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch)):
        letters = await die(bench, "bad1", "bad2", "bad3")
        switch.broken = None
        await bench.command(batch(letters), "batch-1")
        await until(lambda: len(answers(bench)) == 3)
        await bench.command(batch(letters), "batch-1")
        await bench.command(batch(letters[:1]), "batch-2")
        await until(lambda: answers(bench)[0] == "already_handled")
    assert answers(bench) == {0: "already_handled", 1: "handled", 2: "handled"}
    assert await bench.tally("O-bad2") == ("bad2",)
    assert await bench.kept() == []
    said = [f for f in bench.facts if f["type"] == "dead_letter.batch_answered.v1"]
    assert [len(f["data"]["answers"]) for f in said] == [3, 1]


async def test_letter_that_fails_in_a_batch_is_a_new_occurrence_and_the_others_go_on(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch)):
        letters = await die(bench, "bad1", "bad2")
        good = base64.b64encode(event(payment("O-bad1", "P1"), "e-bad1")).decode()
        await bench.command(batch([letters[0].model_copy(update={"body": good}), letters[1]]))
        await until(lambda: len(answers(bench)) == 2)
        await until(lambda: len(bench.dead) == 3)
    assert answers(bench) == {0: "handled", 1: "failed"}
    [answered] = [f["data"] for f in bench.facts if f["type"] == "dead_letter.batch_answered.v1"]
    assert answered["answers"][1]["next_occurrence"] == bench.dead[2]["data"]["occurrence"]


async def test_letter_whose_state_another_release_wrote_fails_and_the_others_go_on(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch)):
        letters = await die(bench, "bad1", "bad2")
        await bench.rows("""insert into tally (key, version, body) values ('O-bad1', 1, '{"newer": 1}') returning 1""")
        switch.broken = None
        await bench.command(batch(letters))
        await until(lambda: len(answers(bench)) == 2)
    assert answers(bench) == {0: "failed", 1: "handled"}


async def test_letter_that_waits_is_left_alone_when_it_is_asked_for_again(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch), ladder_seconds=(60.0, 60.0)):
        letters = await die(bench, "bad1")
        switch.broken = "not yet"
        await bench.command(batch(letters), "batch-1")
        await until(lambda: waits(bench))
        [before] = await bench.kept()
        await bench.command(batch(letters), "batch-2")
        await until(lambda: answers(bench) == {0: "waiting"})
        assert await bench.kept() == [before]
        switch.broken = None
        await bench.rows("update inbox_kept set due = now() returning ref")
        await until(lambda: answers(bench) == {0: "handled"})
    assert await bench.tally("O-bad1") == ("bad1",)


async def waits(bench: Bench) -> bool:
    return [row["status"] for row in await bench.kept()] == ["waiting"]


async def test_inspections_that_take_long_are_left_for_the_next_batch_and_all_are_answered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "BATCH_SECONDS", 0.0)
    postponed: list[int] = []
    inspect = Handling._inspect

    async def counted(self: Handling) -> None:
        await inspect(self)
        postponed.append(len(self._postponed))

    monkeypatch.setattr(Handling, "_inspect", counted)
    async with bench.working(service(Switch("raises"))):
        letters = await die(bench, "bad1", "bad2", "bad3")
    for letter in letters:
        await bench.command(inspection([letter]).model_copy(update={"inspection_id": f"i-{letter.place}"}))
    await bench.publish(event(payment("O-9", "P9")))
    async with bench.working(service(Switch("raises"))):
        await until(lambda: len(findings(bench)) == 3)
        await until(lambda: tally_is(bench, "O-9", ("P9",)))
    assert max(postponed) > 0, "nothing was postponed: the test shows nothing"
    assert {finding for finding, _ in findings(bench).values()} == {"would_fail"}


async def tally_is(bench: Bench, order: str, expected: tuple[str, ...]) -> bool:
    return await bench.tally(order) == expected


async def test_rehearsal_without_end_is_given_up_and_the_service_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "LONGEST_SECONDS", 0.3)
    is_slow = False

    async def load(con: Any, keys: Any, messages: Any) -> list[None]:
        await con.execute("select pg_sleep($1)", 30.0 if is_slow else 0.0)
        return [None] * len(keys)

    what = Service(NAME, (Subscription(PaymentApproved, TALLY, Switch("raises"), load=load),))
    async with bench.working(what):
        letters = await die(bench, "bad1", "bad2")
        is_slow = True
        await bench.command(inspection(letters))
        await until(lambda: len(findings(bench)) == 2)
        is_slow = False
        await bench.publish(event(payment("O-bad1", "P1")), event(payment("O-9", "P9")))
        await until(lambda: tally_is(bench, "O-9", ("P9",)))
        held = [row["status"] for row in await bench.kept()]
    assert findings(bench)[0] == ("not_inspected", "to rehearse it and others took more than 0 s")
    assert sorted(held) == ["dead", "dead", "held"]


async def test_letter_that_the_database_refuses_fails_alone(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch)):
        letters = await die(bench, "bad1", "bad2")
        switch.broken = "unstorable"
        good = base64.b64encode(event(payment("O-bad1", "P1"), "e-bad1")).decode()
        await bench.command(batch([letters[0].model_copy(update={"body": good}), letters[1]]))
        await until(lambda: len(answers(bench)) == 2)
    assert answers(bench) == {0: "handled", 1: "failed"}


async def test_batch_of_which_some_was_done_before_is_carried_on_and_then_known_as_a_whole(bench: Bench) -> None:
    """Done in parts, each letter is remembered; done in one, the batch is. Both are known when it comes again."""
    switch = Switch("raises")
    async with bench.working(service(switch)):
        letters = await die(bench, "bad1", "bad2", "bad3", "bad4", "bad5")
        switch.broken = "unstorable"
        good = base64.b64encode(event(payment("O-bad1", "P1"), "e-bad1")).decode()
        edited = [letters[0].model_copy(update={"body": good}), letters[1]]
        await bench.command(batch(edited), "batch-1")
        await until(lambda: len(answers(bench)) == 2)
        parts = await bench.rows("select count(*) as n from inbox")
        switch.broken = None
        await bench.command(batch(edited), "batch-1")
        await bench.command(batch(letters[2:]), "batch-2")
        await until(lambda: len(answers(bench)) == 5)
        whole = await bench.rows("select count(*) as n from inbox")
        await bench.command(batch(letters[2:]), "batch-2")
        await bench.command(batch([letters[0].model_copy(update={"place": 9})]), "batch-3")
        await until(lambda: 9 in answers(bench))
    assert answers(bench) == {0: "handled", 1: "failed", 2: "handled", 3: "handled", 4: "handled", 9: "already_handled"}
    said = [f["data"]["answers"] for f in bench.facts if f["type"] == "dead_letter.batch_answered.v1"]
    assert sum(len(one) for one in said) == 6, "nobody is answered twice"
    assert whole[0]["n"] - parts[0]["n"] == 1, "a row for the batch; those of its events are there since they died"


async def test_discards_of_a_batch_skip_the_letters(bench: Bench) -> None:
    async with bench.working(service(Switch("raises"))):
        letters = await die(bench, "bad1", "bad2")
        await bench.command(batch(letters, "discard"))
        await until(lambda: len(answers(bench)) == 2)
    assert set(answers(bench).values()) == {"discarded"}
    assert await bench.kept() == []


async def test_inspection_tells_what_replays_would_do_and_does_nothing(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch)):
        letters = await die(bench, "bad1", "bad2")
        await bench.publish(event(payment("O-bad1", "P9")), event(payment("O-x", "P1"), "e-fine"))
        await until(lambda: bench_tally(bench, "O-x"))
        switch.broken = None
        fine = AskedLetter(
            place=2, occurrence="0198a2e1-7c44-7a08-b3c5-0d9f8e7a6b51", event_source="/upstream/test", event_id="e-fine"
        )
        lost = fine.model_copy(update={"place": 3, "event_id": "nobody's"})
        before = [dict(row) for row in await bench.kept()]
        await bench.command(inspection([*letters, fine, lost]))
        await until(lambda: len(findings(bench)) == 4)
    assert findings(bench) == {
        0: ("would_be_handled", "and 1 held behind it"),
        1: ("would_be_handled", ""),
        2: ("already_handled", ""),
        3: ("not_found", "the service knows nothing of it"),
    }
    assert [dict(row) for row in await bench.kept()] == before
    assert await bench.tally("O-bad1") == ()
    assert not [f for f in bench.facts if f["type"] == "order.completed.v1" and f["subject"] != "O-x"]


async def bench_tally(bench: Bench, order: str) -> bool:
    return bool(await bench.tally(order))


async def test_inspection_tells_what_would_fail_and_why(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch)):
        letters = await die(bench, "bad1", "bad2")
        await bench.command(inspection(letters[:1]), "i-1")
        await until(lambda: 0 in findings(bench))
        switch.broken = "unstorable"
        await bench.command(inspection(letters[1:]), "i-2")
        await until(lambda: 1 in findings(bench))
    assert findings(bench)[0][0] == findings(bench)[1][0] == "would_fail"
    assert "RuntimeError: a bug" in findings(bench)[0][1]
    assert "Untranslatable" in findings(bench)[1][1]


async def test_inspection_of_a_version_that_is_still_unknown_says_so(bench: Bench) -> None:
    newer = event(payment(), "e-new", type="payment.approved.v9")
    async with bench.working(ladder_seconds=()):
        await bench.publish(newer, key="payment.approved.v9")
        await until(lambda: len(bench.dead) == 1)
        occurrence = bench.dead[0]["data"]["occurrence"]
        await bench.command(inspection([AskedLetter(place=0, occurrence=occurrence)]))
        await until(lambda: 0 in findings(bench))
    assert findings(bench)[0][0] == "unknown_version"


async def test_inspection_of_a_letter_behind_another_says_behind_which(bench: Bench) -> None:
    switch = Switch("refused")
    async with bench.working(service(switch)):
        await bench.publish(event(payment(payment="bad1"), "e-1"))
        await until(lambda: len(bench.dead) == 1)
        switch.broken = "raises"
        await bench.publish(event(payment(payment="bad2"), "e-2"))
        await until(lambda: len(bench.dead) == 2)
        behind, holder = (said["data"]["occurrence"] for said in bench.dead)
        await bench.command(inspection([AskedLetter(place=0, occurrence=behind)]))
        await until(lambda: 0 in findings(bench))
    assert findings(bench)[0] == ("held", f"behind {holder}")


async def test_inspection_of_what_is_handled_and_not_sent_says_so(bench: Bench) -> None:
    async with bench.working():
        await bench.publish(event(payment(), "e-1"))
        await until(lambda: bench.facts)
        row = (
            "insert into outgoing (batch, at, exchanges, routing_keys, content_types, message_ids, bodies) values "
            "(gen_random_uuid(), now() - interval '10 seconds', '{fleet.events}', '{x}', '{x}', '{x}', "
            "array[$1::bytea])"
        )
        await bench.rows(row, b'[{"causationid":"e-1"}]')
        letter = AskedLetter(
            place=0,
            occurrence="0198a2e1-7c44-7a08-b3c5-0d9f8e7a6b51",
            event_source="/upstream/test",
            event_id="e-1",
        )
        await bench.command(inspection([letter]))
        await until(lambda: 0 in findings(bench))
    assert findings(bench)[0] == ("handled_unsent", "")


async def test_edited_event_that_must_wait_is_tried_again_as_edited(bench: Bench) -> None:
    switch = Switch("raises")
    async with bench.working(service(switch), ladder_seconds=(0.2, 0.2, 0.2)):
        [letter] = await die(bench, "bad1")
        switch.broken = "not yet"
        edited = event(payment("O-bad1", "bad2"), "e-bad1")
        await bench.command(batch([letter.model_copy(update={"body": base64.b64encode(edited).decode()})]))

        async def waits() -> bool:
            return [row["status"] for row in await bench.kept()] == ["waiting"]

        await until(waits)
        switch.broken = None
        await until(lambda: answers(bench) == {0: "handled"})
    assert await bench.tally("O-bad1") == ("bad2",)
