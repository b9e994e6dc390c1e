import math

import pytest

from tests.benchmarks.ages import between, quantile, read

SAID = """\
# HELP fleet_event_age_seconds Time from when an event says it was published until it is handled
# TYPE fleet_event_age_seconds histogram
fleet_event_age_seconds_bucket{le="0.1",type="order.ready.v1"} 50.0
fleet_event_age_seconds_bucket{le="0.2",type="order.ready.v1"} 90.0
fleet_event_age_seconds_bucket{le="+Inf",type="order.ready.v1"} 100.0
fleet_event_age_seconds_count{type="order.ready.v1"} 100.0
fleet_event_age_seconds_sum{type="order.ready.v1"} 9.0
"""
SLOT = ("billing", "order.ready.v1")


def test_buckets_of_an_exposition_are_found_by_service_and_type() -> None:
    assert read("billing", SAID) == {SLOT: {0.1: 50, 0.2: 90, math.inf: 100}}


def test_only_what_was_handled_in_between_counts() -> None:
    after = read("billing", SAID)
    assert between({}, after) == after
    assert between(after, after) == {}
    assert between({SLOT: {0.1: 10, 0.2: 10, math.inf: 10}}, after) == {SLOT: {0.1: 40, 0.2: 80, math.inf: 90}}


@pytest.mark.parametrize(("share", "seconds"), [(0.25, 0.05), (0.5, 0.1), (0.7, 0.15), (0.9, 0.2), (0.99, 0.2)])
def test_quantile_lies_straight_between_two_bounds(share: float, seconds: float) -> None:
    assert quantile(read("billing", SAID)[SLOT], share) == pytest.approx(seconds)
