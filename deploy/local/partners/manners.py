"""How the sandbox's suppliers, and its bank, treat what they are asked: plain data, given by the demo's world."""

from dataclasses import dataclass
from typing import Literal

Step = Literal["answer", "confirmation", "sale_nf", "remittance_nf", "parcel"]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a supplier treats a PO that has a certain product. The default delivers as ordered."""

    refuses: Literal["nothing", "order", "line", "unit", "order_after_r"] = "nothing"
    """Nothing, the whole PO, the product's line, or one unit of it; the whole PO only when it has R."""
    silent: bool = False
    """Takes the PO, its reminders and its cancellation, and never says a word."""
    wakes: bool = False
    """Though silent, it confirms and invoices when it is told that the PO is cancelled."""
    pauses_before: Step | None = None
    """Waits there until it is asked to cancel the PO, or told to refuse it. `answer`: to the call that brings the PO,
    which it then answers when its refusal was heard."""
    confirms: bool = True
    """Otherwise its NF is all that it says of a PO."""
    bills: Literal["as_ordered", "too_much", "without_protocol"] = "as_ordered"
    """`too_much`: dearer than ordered; `without_protocol`: line by line, and the first as SEFAZ never saw it. Then it
    waits until it is told to correct that (and again, before it bills the other lines)."""
    cancels: Literal["yes", "too_late", "ships"] = "yes"
    """What it says then; `ships`: the parcel leaves at once, and then it says that it is too late."""
    delays: bool = False
    """Reports, after it confirmed, that the goods come later."""
    parcels: int = 1
    apart: Literal["no", "at_once", "when_told"] = "no"
    """One unit leaves by itself, with its S1, and says so; the rest with another one when that has arrived, at once or
    when it is told so."""
    leaves_early: bool = False
    """The goods leave before R is there."""
    is_lost: bool = False
    """The carrier loses the parcel when it is told so, and never finds it."""
    is_lost_for_a_while: bool = False
    """The carrier reports a problem, and delivers once the parcel is found again; each further one when told so."""
    moves_again: bool = False
    """A parcel that was found is on its way again first, and delivered when that is told once more."""


AS_ORDERED = Manner()


@dataclass(frozen=True, slots=True)
class BankManner:
    """What the bank does with payments to a company."""

    refuses: bool = False
    after: float = 0.0
    """Seconds until it says so."""
