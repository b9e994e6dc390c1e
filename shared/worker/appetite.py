"""How many deliveries may be unacked at once: as many as would fit into memory if all were like the largest of late,
and no more packs than a replica needs to keep busy: what one has taken the others cannot help with.

The broker bounds deliveries by number only, and sends what it may before anybody has seen how large it is.
"""

FADES = 0.995
"""Of the largest size after each delivery: one huge message is forgotten within about a thousand small ones."""
AVERAGED = 16
"""Deliveries over which the events in one are averaged."""
PACKS = 16
"""Deliveries that may be unacked however many events are in each."""


class Appetite:
    """`most` deliveries, `most_bytes` of them, and about `most` events in them where they are packs.

    >>> appetite = Appetite(512, 32_000_000)
    >>> appetite.saw(2_000); appetite.prefetch
    512
    >>> appetite.saw(16_000_000); appetite.prefetch
    2
    >>> appetite = Appetite(512, 32_000_000)
    >>> for _ in range(100): appetite.opened(10)
    >>> appetite.prefetch
    51
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._largest = 1.0
        self._events = 1.0
        """In a delivery, on average of late."""

    def saw(self, size: int) -> None:
        """A delivery of so many bytes has come."""
        self._largest = max(float(size), self._largest * FADES, 1.0)

    def opened(self, events: int) -> None:
        """So many events were in a delivery."""
        self._events += (events - self._events) / AVERAGED

    @property
    def prefetch(self) -> int:
        packs = max(PACKS, round(self._most / max(self._events, 1.0)))
        return max(1, min(self._most, packs, int(self._most_bytes / self._largest)))

    def outgrew(self, prefetch: int) -> bool:
        """Whether the prefetch should be another one by now: by half at least, it costs two round trips."""
        return not prefetch // 2 <= self.prefetch <= prefetch * 2
