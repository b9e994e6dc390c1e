"""PURE: where an order stands and what it waits for, in one sentence, out of what the journal has of it.

Lenient, as all that reads the journal: what does not say something is left out of the sentence. Deadlines are those of
the order's store, as it was described last. `order` makes the sentence, `purchase_order` each PO's part of it,
`ending` what a cancellation and an R in force wait for; `facts` is what they are made of.
"""

from services.control_room.standing.ending import undecided
from services.control_room.standing.facts import Names, span
from services.control_room.standing.order import Standing, standing
from services.control_room.standing.purchase_order import PoStanding, said

__all__ = ["Names", "PoStanding", "Standing", "said", "span", "standing", "undecided"]
