"""Which deliveries may be acked: the one place that decides it, and acks are made nowhere else than with its answer.

>>> mark = Watermark()
>>> mark.taken(1, 2); mark.taken(2, 1)
>>> mark.done(2)
>>> mark.done(1); mark.done(1)
2
>>> mark.done(1)
"""


class Watermark:
    """A delivery is complete when all its events are; acked is only a contiguous prefix of complete deliveries."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}
        """Events that are not complete, by delivery tag, in the order of delivery."""

    def taken(self, tag: int, events: int) -> None:
        self._open[tag] = events

    def done(self, tag: int) -> int | None:
        """One event of the delivery is complete: up to which tag may be acked now, None where nothing more."""
        if tag not in self._open:
            return None
        self._open[tag] -= 1
        prefix = None
        for first in list(self._open):
            if self._open[first] > 0:
                break
            prefix = first
            del self._open[first]
        return prefix

    def __len__(self) -> int:
        return len(self._open)
