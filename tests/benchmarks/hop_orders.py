"""The orders that go through the hop: distinct keys, two items each, as an upstream system writes them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

from schemas import envelope
from schemas.order import OrderPlaced

ADDRESS = {
    "street": "Rua das Flores",
    "number": "100",
    "district": "Centro",
    "city": "São Paulo",
    "ibge_code": "3550308",
    "uf": "SP",
    "postal_code": "01001000",
}


def bodies(count: int) -> Iterator[bytes]:
    """So many `order.placed` events of as many new orders, each as one CloudEvent."""
    run, now = uuid4().hex[:8], datetime.now(UTC)
    for n in range(count):
        order = _order(f"ORD-{run}-{n}", n, now)
        yield envelope.encode(order, id=str(uuid4()), source="/upstream/benchmark", time=now)


def _order(order_id: str, n: int, now: datetime) -> OrderPlaced:
    items = [
        {"line": 1, "sku": f"PCH-{n % 50}", "name": "Para-choque dianteiro", "quantity": 1, "unit_price": "199.90"},
        {"line": 2, "sku": f"FAR-{n % 30}", "name": "Farol auxiliar", "quantity": 2, "unit_price": "89.50"},
    ]
    return OrderPlaced.model_validate(
        {
            "order_id": order_id,
            "store_id": "loja-centro",
            "channel_id": "mercado-livre",
            "channel_order_code": str(2_000_000 + n),
            "placed_at": now,
            "customer": {"name": "Maria da Silva", "tax_id": "52998224725", "email": "maria@example.com"},
            "ship_to": ADDRESS,
            "items": items,
            "total": "378.90",
        }
    )
