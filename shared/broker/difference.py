"""What is not as the topology table says, in words and with what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass

APPLY = "run `fleet topology apply`"
REPLACE = "drain it, delete it, then run `fleet topology apply`"
PRUNE = "run `fleet topology apply --prune`"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the table says."""

    thing: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.thing}: expected {self.expected}, found {self.found}; {self.remedy}"


class TopologyWrong(Exception):
    """The broker's topology is not what the table in code says."""

    def __init__(self, differences: Iterable[Difference]) -> None:
        self.differences = tuple(differences)
        super().__init__("\n".join(str(difference) for difference in self.differences))
