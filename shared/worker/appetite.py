"""How many deliveries may be unacked at once: as many as would fit into memory if all were like the largest of late.

The broker bounds deliveries by number only, and sends what it may before anybody has seen how large it is.
"""

FADES = 0.995
"""Of the largest size after each delivery: one huge message is forgotten within about a thousand small ones."""


class Appetite:
    """`most` deliveries, and `most_bytes` of them.

    >>> appetite = Appetite(512, 32_000_000)
    >>> appetite.saw(2_000); appetite.prefetch
    512
    >>> appetite.saw(16_000_000); appetite.prefetch
    2
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._largest = 1.0

    def saw(self, size: int) -> None:
        """A delivery of so many bytes has come."""
        self._largest = max(float(size), self._largest * FADES, 1.0)

    @property
    def prefetch(self) -> int:
        return max(1, min(self._most, int(self._most_bytes / self._largest)))

    def outgrew(self, prefetch: int) -> bool:
        """Whether the prefetch should be another one by now: by half at least, it costs two round trips."""
        return not prefetch // 2 <= self.prefetch <= prefetch * 2
