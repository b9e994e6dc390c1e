"""The demo's world says what it promises: valid, deterministic, and in the mix that the demo is about."""

from collections import Counter
from datetime import UTC, datetime
from random import Random

from deploy.local import world
from deploy.local.world_data import PARTS
from deploy.local.world_orders import MERCADO_LIVRE, cnpj, cpf
from schemas import tax_id
from schemas.model import Message
from schemas.order import OrderPlaced, OrderPlacedV1, upcast_placed_v1
from schemas.payment import PaymentApproved
from schemas.store import StoreChanged
from schemas.supplier import OfferChanged, SupplierChanged

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
FAMILY = {part.sku: part.family for part in PARTS}


def test_same_seed_gives_same_orders_and_another_seed_others() -> None:
    assert world.orders(40, 7, at=AT) == world.orders(40, 7, at=AT)
    assert world.orders(40, 7, at=AT) != world.orders(40, 8, at=AT)
    assert world.orders(10, 7, at=AT) == world.orders(40, 7, at=AT)[: len(world.orders(10, 7, at=AT))]


def test_many_orders_have_the_promised_mix() -> None:
    messages = world.orders(600, 1, at=AT)
    assert Counter(message.TYPE for message in messages if not isinstance(message, PaymentApproved)) == {
        OrderPlaced.TYPE: 540,
        OrderPlacedV1.TYPE: 60,
    }
    assert Counter(_payment_kind(messages, order) for order in _orders(messages)) == {
        "within": 300,
        "after": 150,
        "before": 150,
    }
    may_split = [order for order in _orders(messages) if order.channel_id != MERCADO_LIVRE]
    split = sum(len({FAMILY[item.sku] for item in order.items}) == 2 for order in may_split)
    assert 0.33 < split / len(may_split) < 0.47


def test_mercado_livre_order_is_me2_from_one_family() -> None:
    found = [order for order in _orders(world.orders(60, 3, at=AT)) if order.channel_id == MERCADO_LIVRE]
    assert len(found) == 20
    for order in found:
        assert order.logistics.type == "me2"
        assert order.logistics.label_by == "channel"
        assert order.logistics.shipment_id
        assert len({FAMILY[item.sku] for item in order.items}) == 1


def test_every_order_is_paid_in_full_in_the_end() -> None:
    messages = world.orders(100, 5, at=AT)
    approved: Counter[str] = Counter()
    for message in messages:
        if isinstance(message, PaymentApproved):
            approved[message.order_id] += int(message.amount * 100)
    for order in _orders(messages):
        assert int(order.paid * 100) + approved[order.order_id] == int(order.total * 100)


def test_generated_tax_ids_have_right_check_digits() -> None:
    random = Random(1)
    assert all(tax_id.is_valid_cpf(cpf(random)) for _ in range(200))
    assert all(tax_id.is_valid_cnpj(cnpj(random)) for _ in range(200))


def test_reference_data_covers_every_part_store_and_supplier() -> None:
    messages = world.reference_data("http://127.0.0.1:1")
    suppliers = {m.supplier_id for m in messages if isinstance(m, SupplierChanged)}
    assert suppliers == {"farol-sul", "auto-leste", "pecas-norte", "nova-era"}
    offered = Counter(m.sku for m in messages if isinstance(m, OfferChanged))
    assert offered == {part.sku: 2 for part in PARTS}
    stores = [m for m in messages if isinstance(m, StoreChanged)]
    assert {store.return_window_days for store in stores} == {0}
    assert {order.store_id for order in _orders(world.orders(9, 1, at=AT))} == {store.store_id for store in stores}
    subjects = [(m.TYPE, m.subject) for m in messages]
    assert len(set(subjects)) == len(subjects)


def _orders(messages: list[Message]) -> list[OrderPlaced]:
    return [
        upcast_placed_v1(m) if isinstance(m, OrderPlacedV1) else m
        for m in messages
        if isinstance(m, OrderPlaced | OrderPlacedV1)
    ]


def _payment_kind(messages: list[Message], order: OrderPlaced) -> str:
    if order.paid:
        return "within"
    places = [n for n, m in enumerate(messages) if getattr(m, "order_id", None) == order.order_id]
    return "before" if isinstance(messages[places[0]], PaymentApproved) else "after"
