"""Which deliveries may be acked: the one place that decides it, and acks are made nowhere else than with its answer.

>>> mark = Watermark()
>>> mark.taken(1, 2); mark.taken(2, 1)
>>> mark.done(2)
>>> mark.done(1); mark.done(1)
2
>>> mark.done(1)
"""

from collections import deque


class Watermark:
    """A delivery is complete when all its events are; acked is only a contiguous prefix of complete deliveries."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}
        """Events that are not complete, by delivery tag."""
        self._tags: deque[int] = deque()
        """Deliveries that are not acked, in their order."""

    def taken(self, tag: int, events: int) -> None:
        self._open[tag] = events
        self._tags.append(tag)

    def done(self, tag: int) -> int | None:
        """One event of the delivery is complete: up to which tag may be acked now, None where nothing more."""
        if tag not in self._open:
            return None
        self._open[tag] -= 1
        prefix = None
        while self._tags and self._open[self._tags[0]] <= 0:
            prefix = self._tags.popleft()
            del self._open[prefix]
        return prefix

    def __len__(self) -> int:
        return len(self._open)
