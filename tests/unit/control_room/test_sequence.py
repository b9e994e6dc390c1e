"""The original sequence of dead events."""

import random
from datetime import timedelta
from typing import Any

from services.control_room.campaign.sequence import Died, in_sequence
from tests.unit.control_room.builders import AT


def died(name: str, **changes: Any) -> Died:
    fields: dict[str, Any] = {"occurrence": name, "service": "billing", "first_at": AT, "event_id": name}
    return Died(**{**fields, **changes})


def after(seconds: float) -> Any:
    return AT + timedelta(seconds=seconds)


def shuffled(*letters: Died) -> list[Died]:
    return random.Random(7).sample(letters, len(letters))


def test_events_of_one_batch_are_in_the_order_of_their_own_times() -> None:
    assert in_sequence(shuffled(*(died(f"{9 - n}", time=after(n)) for n in range(9)))) == list("987654321")


def test_cause_is_before_its_effect_whatever_the_clocks_say() -> None:
    letters = [died("a", time=after(5)), died("b", time=after(1), cause="a"), died("c", time=after(3))]
    assert in_sequence(shuffled(*letters)) == ["c", "a", "b"]


def test_events_of_one_moment_are_in_the_order_of_the_journal_and_commands_behind_them() -> None:
    letters = [died("a", time=AT, position=3), died("b", time=AT, position=1), died("c", time=AT)]
    assert in_sequence(shuffled(*letters)) == ["b", "a", "c"]


def test_event_that_died_in_two_services_is_before_its_effect_in_both() -> None:
    letters = [
        died("o-1", event_id="a", time=AT),
        died("o-2", event_id="a", time=AT, service="po_dispatch"),
        died("o-3", event_id="b", time=AT, cause="a", position=1),
    ]
    assert in_sequence(shuffled(*letters)) == ["o-1", "o-2", "o-3"]


def test_what_cannot_be_read_counts_from_its_death() -> None:
    letters = [died("a", event_id=None, first_at=after(2)), died("b", time=after(1)), died("c", time=after(3))]
    assert in_sequence(shuffled(*letters)) == ["b", "a", "c"]


def test_events_that_claim_to_cause_each_other_are_in_the_order_of_their_times() -> None:
    letters = [died("a", time=after(2), cause="b"), died("b", time=after(1), cause="a"), died("c", cause="c", time=AT)]
    assert in_sequence(shuffled(*letters)) == ["c", "b", "a"]
