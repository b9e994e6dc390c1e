"""How long it takes to choose suppliers: an order of ten lines over a thousand candidate offers.

    python -m tests.benchmarks.routing_time [--json] [--times N]

An order is loaded and decided again and again, as the service does it: `load_sourcing` reads what buying needs from a
real PostgreSQL that has 20,000 other offers beside, and the decision on `order.ready` makes of it POs that are numbered
and told, each candidate with its reason. The decision's time is all that the service does between the last row and the
finished Decision; the load's is its statements and what it makes of the rows. Routing is the part of the decision that
finds and explains the choice, each time after a load of its own; what is bought in portions is left out of it.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

import services.po_dispatch
from deploy.local.stack import STACKS, running
from schemas.decision import Cause, Context, Decision, Numbers
from schemas.model import Model
from schemas.order import Item, OrderReady
from schemas.purchase_order import PurchaseOrderCreated
from schemas.store import Criterion, StoreChanged
from schemas.supplier import OfferChanged, SupplierChanged
from schemas.timeline import Timeline
from schemas.values import Address, Company, Customer, Logistics
from services.po_dispatch.__main__ import SUBSCRIPTIONS
from services.po_dispatch.decide.making import PO_SERIES
from services.po_dispatch.routing import route
from services.po_dispatch.routing.options import market_of
from services.po_dispatch.state import OrderLine
from shared.migrate import migrate, service_url
from shared.service import collect_less_often
from shared.worker.store import save_states
from shared.worker.subscription import Subscription
from tests.conftest import PASSWORD, fresh_database

NAME = "po_dispatch"
MIGRATIONS = Path(services.po_dispatch.__file__).parent / "migrations"
LINES, SUPPLIERS, OTHER_OFFERS, AT_ONCE = 10, 100, 20_000, 1000
WARMING_UP = 20
SAID = datetime(2026, 7, 20, 12, tzinfo=UTC)
NOW = SAID + timedelta(hours=1)
[READY] = [s for s in SUBSCRIPTIONS if isinstance(s, Subscription) and s.message is OrderReady]
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
class Situation:
    """`name` begins the ids of its suppliers, SKUs and store."""

    name: str
    about: str
    routing: tuple[Criterion, ...] = ("shipments", "priority", "cost", "lead_time")
    suppliers: int = SUPPLIERS
    versions: int = 1
    """Of each offer; the newest one holds."""

    def stock(self, supplier: int, line: int) -> int:
        match self.name:
            case "half":
                return 50 if (supplier + line) % 2 else 0
            case "pairs":
                return 0 if supplier % LINES == line else 50
            case "portions":
                return 1 if line == 0 else 50
        return 50


SITUATIONS = (
    Situation("whole", "every supplier has all"),
    Situation("half", "each lacks half of the lines"),
    Situation("past", "every supplier has all, prices of yesterday are kept", versions=2),
    Situation("cost", "every supplier has all, the cost decides first", ("cost", "shipments", "priority")),
    Situation("portions", "of one line nobody has enough: it is bought in portions"),
    Situation("pairs", "62 suppliers (620 offers), each lacks one line: all pairs are compared", suppliers=62),
)


def offer(supplier: int, line: int, *, stock: int = 50, name: str = "", age: int = 0) -> OfferChanged:
    return OfferChanged(
        valid_from=SAID - timedelta(hours=age),
        offer_id=f"{name}S{supplier}:{line}",
        supplier_id=f"{name}S{supplier}",
        sku=f"{name}SKU-{line}",
        supplier_sku=f"{supplier}-{line}",
        name=f"Part {line}",
        ncm="87083090",
        cost=Decimal(1000 + (supplier * 37 + line * 11 + age) % 100) / 100,
        stock=stock,
        lead_time_days=1 + supplier % 5,
        ufs=("SP", "RJ", "MG") if supplier % 4 == 0 else (),
        weight_g=300,
    )


def supplier(name: str, n: int) -> SupplierChanged:
    return SupplierChanged(
        valid_from=SAID,
        supplier_id=f"{name}S{n}",
        company=_COMPANY,
        api_url="https://example.com",
        secret_ref="s",
        priority=100 + n % 3,
    )


def store(situation: Situation) -> StoreChanged:
    return StoreChanged(
        valid_from=SAID,
        store_id=situation.name,
        name="Shop",
        seller=_COMPANY,
        mail_sender="shop@example.com",
        has_erp=False,
        routing=situation.routing,
        split_lines=situation.name == "portions",
    )


def order(situation: Situation) -> OrderReady:
    items = tuple(
        Item(line=n + 1, sku=f"{situation.name}SKU-{n}", name=f"Part {n}", quantity=2, unit_price=Decimal("20.00"))
        for n in range(LINES)
    )
    return OrderReady(
        order_id="O-1",
        store_id=situation.name,
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


def timeline(versions: Sequence[Any]) -> Timeline[Any]:
    return Timeline[Any](versions=tuple(versions), sent_at=tuple(v.valid_from for v in versions))


async def fill(con: asyncpg.Connection) -> None:
    for situation in SITUATIONS:
        name, makers = situation.name, range(situation.suppliers)
        await _save(con, "store", [(name, timeline([store(situation)]))])
        await _save(con, "supplier", [(f"{name}S{n}", timeline([supplier(name, n)])) for n in makers])
        await _save(con, "offer", [_kept(situation, n, line) for line in range(LINES) for n in makers])
    others = ((n % SUPPLIERS, LINES + n // SUPPLIERS) for n in range(OTHER_OFFERS))
    await _save(con, "offer", [(f"S{n}:{line}", timeline([offer(n, line)])) for n, line in others])


def _kept(situation: Situation, supplier: int, line: int) -> tuple[str, Model]:
    stock = situation.stock(supplier, line)
    ages = reversed(range(situation.versions))
    versions = [offer(supplier, line, stock=stock, name=situation.name, age=age) for age in ages]
    return versions[0].offer_id, timeline(versions)


async def _save(con: asyncpg.Connection, table: str, states: Sequence[tuple[str, Model]]) -> None:
    for first in range(0, len(states), AT_ONCE):
        await save_states(con, table, {f"{table}:{key}": s for key, s in states[first : first + AT_ONCE]})


async def measure(con: asyncpg.Connection, situation: Situation, times: int) -> dict[str, Any]:
    """Milliseconds: the best (what it takes where nothing else runs), the median, the slowest but one in twenty."""
    assert READY.load is not None
    ready = order(situation)
    cause = Cause("e", "/benchmark", ready.TYPE, "O-1", NOW, uuid4())
    lines = [OrderLine(line=item.line, sku=item.sku, quantity=item.quantity) for item in ready.items]
    taken: list[tuple[float, float]] = []
    routed: list[float] = []
    for _ in range(WARMING_UP + times):
        began = perf_counter()
        [reference] = await READY.load(con, ["O-1"], [ready])
        loaded = perf_counter()
        outcome = READY.decide(None, ready, Context(NOW, cause, reference, Numbers({PO_SERIES: 1}), "O-1"))
        taken.append((loaded - began, perf_counter() - loaded))
        [reference] = await READY.load(con, ["O-1"], [ready])
        loaded = perf_counter()
        route(lines, market_of({line.sku for line in lines}, reference, NOW, "SP", situation.routing))
        routed.append(perf_counter() - loaded)
    assert isinstance(outcome, Decision), outcome
    created = [event for event in outcome.events if isinstance(event, PurchaseOrderCreated)]
    assert sum(line.quantity for po in created for line in po.lines) == 2 * LINES
    load, decision = zip(*taken[WARMING_UP:], strict=True)
    return {
        "situation": situation.about,
        "offers": LINES * situation.suppliers,
        "purchase_orders": len(created),
        "candidates_told": sum(len(po.candidates) for po in created),
        "routing": _ms(routed[WARMING_UP:]),
        "decision": _ms(decision),
        "load": _ms(load),
        "load_and_decision": _ms([sum(both) for both in taken[WARMING_UP:]]),
    }


def _ms(seconds: Sequence[float]) -> dict[str, float]:
    slow = sorted(seconds)[-(len(seconds) // 20) - 1]
    return {
        "best_ms": round(min(seconds) * 1000, 2),
        "median_ms": round(median(seconds) * 1000, 2),
        "p95_ms": round(slow * 1000, 2),
    }


async def run(times: int) -> list[dict[str, Any]]:
    async with running(STACKS / "bench") as stack, fresh_database(stack.addresses.database_url) as database:
        await asyncio.to_thread(migrate, database, NAME, [MIGRATIONS], PASSWORD)
        con = await asyncpg.connect(service_url(database, NAME, PASSWORD))
        try:
            await fill(con)
            for table in ("offer", "supplier"):
                await con.execute(f"vacuum analyze {table}")
            return [await measure(con, situation, times) for situation in SITUATIONS]
        finally:
            await con.close()


def _cells(found: dict[str, Any]) -> Iterator[str]:
    for part in ("routing", "decision", "load", "load_and_decision"):
        yield "\n".join(f"{figure:.1f}" for figure in found[part].values())


def main(
    times: Annotated[int, typer.Option(min=20, help="How often each order is loaded and decided.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Choose suppliers for ten lines over a thousand offers."""
    collect_less_often()
    every = asyncio.run(run(times))
    if as_json:
        print(json.dumps({"lines": LINES, "times": times, "situations": every}, indent=2))
        return
    table = Table(
        "ms: best / median / 95th percentile",
        title=f"{LINES} lines, each situation {times} times",
        title_justify="left",
    )
    for name in ("offers", "POs", "told", "routing", "decision", "load", "both"):
        table.add_column(name, justify="right", no_wrap=True)
    for found in every:
        counts = (found["offers"], found["purchase_orders"], found["candidates_told"])
        table.add_row(found["situation"], *(f"{count:,}" for count in counts), *_cells(found))
    Console(highlight=False).print(table)


if __name__ == "__main__":
    typer.run(main)
