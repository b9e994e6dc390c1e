"""Which moves of the canonical status table the mixed scenario leaves out, and why. The list may only shrink."""

from collections.abc import Collection

from services.order_intake.decide.moves import TABLE

Move = tuple[str, str]

NOT_PLAYED: dict[Move, str] = {
    ("ready_to_order", "cancelled"): (
        "A PO is sent in the decision that creates it, and its supplier is asked to cancel it only when it has "
        "answered that call: by then the order is `po_dispatched`. What is left is a supplier that refuses the PO of "
        "an order that is being cancelled before it answers the call that brings it."
    ),
    ("awaiting_invoice", "invoice_divergent"): (
        "No message says yet that a supplier cancelled an S2 which had matched (event 110111 is not read)."
    ),
}


def unseen(seen: Collection[Move]) -> set[Move]:
    """The table's moves that are not among these."""
    table: set[Move] = {(before, after) for before, following in TABLE.items() for after in following}
    return table - {*seen}
