"""How long deciding takes: an order of ten lines over a thousand candidate offers, each line at a hundred suppliers.

Timed is the whole decision on `order.ready`, with its POs and the reasons of all candidates; what is loaded for it is
there already.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from time import perf_counter
from uuid import uuid4

from schemas.decision import Cause, Context, Decision, Numbers
from schemas.order import Item, OrderReady
from schemas.store import StoreChanged
from schemas.supplier import OfferChanged, SupplierChanged
from schemas.timeline import Timeline
from schemas.values import Address, Company, Customer, Logistics
from services.po_dispatch.decide.sourcing import on_order_ready
from services.po_dispatch.state import Sourcing

LINES, SUPPLIERS = 10, 100
NOW = datetime(2026, 7, 20, 12, tzinfo=UTC)
_ADDRESS = Address(
    street="Rua A",
    number="1",
    district="Centro",
    city="Campinas",
    ibge_code="3509502",
    uf="SP",
    postal_code="13010041",
)
_COMPANY = Company(name="Nova Era", cnpj="12ABC34501DE35", state_registration="ISENTO", address=_ADDRESS)


@dataclass(frozen=True, slots=True)
class Decided:
    """Milliseconds of one decision: the median, and the slowest of a hundred."""

    ms: float
    worst_ms: float
    candidates: int
    purchase_orders: int


def offer(supplier: int, line: int, *, stock: int = 50) -> OfferChanged:
    return OfferChanged(
        valid_from=NOW,
        offer_id=f"S{supplier}:{line}",
        supplier_id=f"S{supplier}",
        sku=f"SKU-{line}",
        supplier_sku=f"{supplier}-{line}",
        name=f"Part {line}",
        ncm="87083090",
        cost=Decimal(1000 + (supplier * 37 + line * 11) % 100) / 100,
        stock=stock,
        lead_time_days=1 + supplier % 5,
        weight_g=300,
    )


def sourcing(*, whole: bool) -> Sourcing:
    """`whole`: any supplier could deliver everything; otherwise each lacks the stock of half the lines."""
    store = StoreChanged(
        valid_from=NOW, store_id="shop", name="Shop", seller=_COMPANY, mail_sender="shop@example.com", has_erp=True
    )
    suppliers = {
        f"S{n}": Timeline[SupplierChanged](
            versions=(
                SupplierChanged(
                    valid_from=NOW,
                    supplier_id=f"S{n}",
                    company=_COMPANY,
                    api_url="https://example.com",
                    secret_ref="s",
                    priority=100 + n % 3,
                ),
            ),
            sent_at=(NOW,),
        )
        for n in range(SUPPLIERS)
    }
    offers = tuple(
        Timeline[OfferChanged](versions=(offer(s, line, stock=50 if whole or (s + line) % 2 else 0),), sent_at=(NOW,))
        for line in range(LINES)
        for s in range(SUPPLIERS)
    )
    return Sourcing(Timeline[StoreChanged](versions=(store,)), offers, suppliers)


def order() -> OrderReady:
    items = tuple(
        Item(line=n + 1, sku=f"SKU-{n}", name=f"Part {n}", quantity=2, unit_price=Decimal("20.00"))
        for n in range(LINES)
    )
    return OrderReady(
        order_id="O-1",
        store_id="shop",
        channel_id="shop",
        channel_order_code="C-1",
        placed_at=NOW,
        ready_at=NOW,
        customer=Customer(name="Ana Souza", tax_id="52998224725", email="ana@example.com"),
        ship_to=_ADDRESS,
        items=items,
        freight=Decimal("0.00"),
        discount=Decimal("0.00"),
        total=Decimal("400.00"),
        payments=(),
        logistics=Logistics(),
    )


def measure(*, whole: bool, times: int = 100) -> Decided:
    reference, ready = sourcing(whole=whole), order()
    cause = Cause("e", "/benchmark", ready.TYPE, "O-1", NOW, uuid4())
    ctx = Context(NOW, cause, reference, Numbers({}), "O-1")
    taken: list[float] = []
    for _ in range(times + 20):
        began = perf_counter()
        outcome = on_order_ready(None, ready, ctx)
        taken.append((perf_counter() - began) * 1000)
    assert isinstance(outcome, Decision)
    assert outcome.state is not None
    pos = outcome.state.purchase_orders
    shown = sum(len(po.candidates) for po in pos)
    measured = taken[20:]
    return replace(Decided(0, 0, shown, len(pos)), ms=median(measured), worst_ms=max(measured))


if __name__ == "__main__":
    for whole in (True, False):
        print(measure(whole=whole))
