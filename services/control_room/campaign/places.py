"""PURE: places of letters as runs: a thousand that are on their way are a few characters of a campaign's state."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer


def written(places: Iterable[int]) -> str:
    """The places in order, neighbours as a run.

    >>> written({7, 0, 1, 2, 4, 5})
    '0-2,4-5,7'
    """
    runs: list[list[int]] = []
    for place in sorted(places):
        if runs and runs[-1][1] == place - 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def read(said: Any) -> Any:
    """The places of such a text; anything else (an earlier release wrote lists) as it is. ValueError: no places.

    >>> sorted(read('0-2,4-5,7'))
    [0, 1, 2, 4, 5, 7]
    """
    if not isinstance(said, str):
        return said
    found: set[int] = set()
    for run in said.split(",") if said else ():
        first, _, last = run.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


Places = Annotated[frozenset[int], BeforeValidator(read), PlainSerializer(written, return_type=str)]
