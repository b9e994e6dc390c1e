"""Versions of reference data, told late, twice and in any order."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from schemas.decision import Cause, Context, Numbers
from schemas.store import StoreChanged
from schemas.timeline import KEPT, Timeline, keep
from tests.builders import store_changed

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def told(timeline: Timeline[StoreChanged] | None, version: StoreChanged, sent: datetime) -> Timeline[StoreChanged]:
    cause = Cause("e1", "/upstream/erp", version.TYPE, version.subject, sent, UUID(int=1), "e1", None)
    kept = keep(timeline, version, Context(sent, cause, None, Numbers({}))).state
    assert kept is not None
    return kept


def test_of_two_versions_for_one_instant_the_later_sent_holds_in_any_order() -> None:
    first, second = store_changed(valid_from=NOW, name="First"), store_changed(valid_from=NOW, name="Second")
    in_order = told(told(None, first, NOW), second, NOW + HOUR)
    out_of_order = told(told(None, second, NOW + HOUR), first, NOW)
    assert in_order == out_of_order
    assert in_order.versions == (second,)


def test_another_instants_version_does_not_make_a_correction_look_old() -> None:
    first, corrected = store_changed(valid_from=NOW, name="First"), store_changed(valid_from=NOW, name="Corrected")
    later = store_changed(valid_from=NOW + 5 * HOUR, name="Later")
    timeline = told(told(told(None, first, NOW), later, NOW + 3 * HOUR), corrected, NOW + 2 * HOUR)
    assert timeline.versions == (corrected, later)


def test_versions_long_past_are_forgotten_but_for_the_last_of_them() -> None:
    old = [store_changed(valid_from=NOW - KEPT - n * HOUR) for n in (3, 2, 1)]
    timeline = None
    for version in old:
        timeline = told(timeline, version, NOW - KEPT - 9 * HOUR)
    new = store_changed(valid_from=NOW)
    timeline = told(timeline, new, NOW)
    assert timeline.versions == (old[-1], new)
    assert len(timeline.sent_at) == 2


def test_what_was_over_is_forgotten_by_our_clock_where_a_sender_is_far_ahead() -> None:
    now_in_force, to_come = store_changed(valid_from=NOW - HOUR), store_changed(valid_from=NOW + HOUR)
    timeline = told(told(None, store_changed(valid_from=NOW - 9 * HOUR), NOW), now_in_force, NOW)
    cause = Cause("e1", "/upstream/erp", to_come.TYPE, to_come.subject, NOW + 1000 * HOUR, UUID(int=1), "e1", None)
    kept = keep(timeline, to_come, Context(NOW, cause, None, Numbers({})), HOUR).state
    assert kept is not None
    assert kept.versions == (now_in_force, to_come)
    assert kept.at(NOW) == now_in_force
