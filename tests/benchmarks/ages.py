"""How old events were when they were handled, out of the services' own histograms (`fleet_event_age_seconds`)."""

import math

from prometheus_client.parser import text_string_to_metric_families

Ages = dict[tuple[str, str], dict[float, float]]
"""`(service, message type)` → events by upper bound in seconds, cumulated."""

METRIC = "fleet_event_age_seconds"


def read(service: str, exposition: str) -> Ages:
    """Out of what a service's /metrics says."""
    found: Ages = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == f"{METRIC}_bucket":
                slot = (service, sample.labels["type"])
                found.setdefault(slot, {})[float(sample.labels["le"])] = sample.value
    return found


def between(before: Ages, after: Ages) -> Ages:
    """Of the events that were handled in between; a type without any is left out."""
    found = {
        slot: {le: count - before.get(slot, {}).get(le, 0.0) for le, count in buckets.items()}
        for slot, buckets in after.items()
    }
    return {slot: buckets for slot, buckets in found.items() if max(buckets.values()) > 0}


def quantile(buckets: dict[float, float], share: float) -> float:
    """Seconds that this share of the events stayed below, straight between two bounds as Prometheus does it.

    What lies above the last bound is said to be at it.
    """
    wanted = share * max(buckets.values())
    low, below = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count >= wanted:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (wanted - below) / max(count - below, 1e-9)
        low, below = bound, count
    return low
