"""Moves of the canonical status table that no order of the mixed scenario made."""

from collections.abc import Collection

from services.order_intake.decide.moves import TABLE

Move = tuple[str, str]


def unseen(seen: Collection[Move]) -> set[Move]:
    """The table's moves that are not among these."""
    table: set[Move] = {(before, after) for before, following in TABLE.items() for after in following}
    return table - {*seen}
