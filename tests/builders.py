"""Messages and contexts for tests: valid as they are, any field overridden by name."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

from schemas.decision import Cause, Context, Numbers
from schemas.envelope import reference
from schemas.model import Message
from schemas.order import OrderPlaced
from schemas.store import StoreChanged

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

SELLER_ADDRESS: dict[str, Any] = {
    "street": "Rua Vergueiro",
    "number": "1000",
    "district": "Liberdade",
    "city": "São Paulo",
    "ibge_code": "3550308",
    "uf": "SP",
    "postal_code": "01504000",
}
SELLER: dict[str, Any] = {
    "name": "Loja Exemplo Autopeças Ltda",
    "cnpj": "11222333000181",
    "state_registration": "110042490114",
    "address": SELLER_ADDRESS,
}
CUSTOMER: dict[str, Any] = {"name": "Maria da Silva", "tax_id": "52998224725", "email": "maria@example.com"}
HOME: dict[str, Any] = {
    "street": "Rua XV de Novembro",
    "number": "15",
    "district": "Centro",
    "city": "Curitiba",
    "ibge_code": "4106902",
    "uf": "PR",
    "postal_code": "80020310",
}
ITEM: dict[str, Any] = {"line": 1, "sku": "SKU-1", "name": "Pastilha de freio", "quantity": 2, "unit_price": "49.95"}
PAYMENT: dict[str, Any] = {"payment_id": "pay-1", "method": "pix", "amount": "99.90"}


def context(message: Message | None = None, *, now: datetime = NOW, reference_data: Any = None) -> Context[Any]:
    """The context of a decision on `message`; the same message gives the same cause."""
    subject = message.subject if message is not None else "order-1"
    type_ = message.TYPE if message is not None else "test.happened.v1"
    id_ = str(uuid5(reference("test", type_), repr(message)))
    cause = Cause(id=id_, source="test", type=type_, subject=subject, time=now, ref=reference("test", id_))
    return Context(now=now, cause=cause, reference=reference_data, numbers=Numbers({}), key=subject)


def order_placed(**fields: Any) -> OrderPlaced:
    """One line, BRL 99.90, announced but not yet paid."""
    placed = {
        "order_id": "order-1",
        "store_id": "store-1",
        "channel_id": "channel-1",
        "channel_order_code": "C-1",
        "placed_at": NOW,
        "customer": CUSTOMER,
        "ship_to": HOME,
        "items": [ITEM],
        "total": "99.90",
        "payments": [PAYMENT],
    }
    return OrderPlaced.model_validate(placed | fields)


def store_changed(**fields: Any) -> StoreChanged:
    changed = {
        "store_id": "store-1",
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
        "name": "Loja Exemplo",
        "seller": SELLER,
        "mail_sender": "loja@example.com",
    }
    return StoreChanged.model_validate(changed | fields)
