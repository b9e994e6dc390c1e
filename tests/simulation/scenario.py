"""What a seed decides before anything happens: how much goes wrong, and what upstream systems say."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from deploy.local import world
from schemas.model import Message
from schemas.store import StoreChanged
from schemas.supplier import OfferChanged, SupplierChanged, Terms
from tests.simulation.scheduler import START

POOL = 30
"""Different orders that there are: the demo's, so that a document is built once for all seeds."""
POOL_SEED = 7
Placed = tuple[str, tuple[Message, ...]]
"""An order's id with what is said of it: the order and its payments."""
BASE_URL = "http://partners.example.com"


@dataclass(frozen=True, slots=True)
class Profile:
    """Chances are per occasion, times in seconds."""

    replicas: int
    crash: float
    """That a process is killed, per step."""
    cut: float
    """That a connection breaks, per step."""
    duplicate: float
    """That the broker has a message twice, per publish."""
    delay: float
    """That a message takes its time, per publish."""
    starve: float
    """That a service gets no turn for a while, per step."""
    window: int
    """How far from the head of a queue a delivery may come."""
    batch: int
    patience: int
    """How many messages must wait before a worker takes some, while anything else can happen."""
    database: float
    """That a transaction fails, before or after its commit."""
    partner_trouble: float
    stall: float
    """That a process sleeps longer than the lease of the call it makes."""
    twice: float
    """That a partner or upstream says something twice."""
    parts: float
    """That a supplier invoices a PO in parts."""
    pace: float
    """How long partners take at most between two of their acts."""
    skew: float
    """How far clocks are off at most."""
    reference_late: bool
    """Reference data comes among the orders that need it."""
    wire: bool
    """Everything travels, and is kept, as JSON."""


def profile(random: Random) -> Profile:
    """One seed in five is calm; one in sixteen goes over the wire."""
    storm = random.choice((0.0, 0.5, 1.0, 1.0, 2.0))

    def chance(most: float) -> float:
        return storm * random.choice((0.0, most / 4, most))

    return Profile(
        replicas=random.choice((1, 1, 2, 2, 3)),
        crash=chance(0.004),
        cut=chance(0.004),
        duplicate=chance(0.1),
        delay=chance(0.1),
        starve=chance(0.002),
        window=random.choice((1, 4, 1000)),
        batch=random.choice((1, 4, 64)),
        patience=random.choice((1, 3, 1000)),
        database=chance(0.02),
        partner_trouble=min(0.8, chance(0.3)),
        stall=chance(0.02),
        twice=min(0.5, chance(0.15)),
        parts=random.choice((0.0, 0.3)),
        pace=random.choice((0.1, 5.0, 120.0)),
        skew=random.choice((0.0, 0.0, 2.0)),
        reference_late=random.random() < 0.3,
        wire=random.random() < 1 / 16,
    )


@cache
def _reference_data() -> tuple[Message, ...]:
    return tuple(world.reference_data(BASE_URL))


@cache
def _orders() -> tuple[Placed, ...]:
    by_order: dict[str, list[Message]] = defaultdict(list)
    for message in world.orders(POOL, POOL_SEED, at=START):
        by_order[message.order_id].append(message)  # type: ignore[attr-defined]
    return tuple((order_id, tuple(messages)) for order_id, messages in by_order.items())


def reference_data(random: Random, orders: Sequence[Placed]) -> list[Message]:
    """What these orders need of the demo's, with the stores' settings and the suppliers' terms that the seed wants."""
    skus = {item.sku for _, messages in orders for m in messages for item in getattr(m, "items", ())}
    return [
        _varied(message, random)
        for message in _reference_data()
        if not isinstance(message, OfferChanged) or message.sku in skus
    ]


def _varied(message: Message, random: Random) -> Message:
    match message:
        case StoreChanged():
            settings = {
                "has_erp": random.random() < 0.8,
                "return_window_days": random.choice((0, 0, 7)),
                "invoice_per": random.choice(("po", "order")),
            }
            return message.model_copy(update=settings)
        case SupplierChanged() if random.random() < 0.3:
            return message.model_copy(update={"terms": Terms(kind="on_delivery", days=random.choice((0, 10)))})
    return message


def orders(random: Random, count: int) -> Iterator[Placed]:
    yield from random.sample(_orders(), count)
