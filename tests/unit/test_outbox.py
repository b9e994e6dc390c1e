"""Ids of outgoing events: the same cause and position, the same id."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as some

from shared.worker.outbox import derived


@given(some.uuids(), some.text(max_size=80).filter(lambda text: text.isprintable()))
def test_derived_id_is_uuid5_of_cause_and_name(cause: UUID, name: str) -> None:
    assert derived(cause, name) == str(uuid5(cause, name))
