"""The ERP: the only place that knows how it calls a sales order's fields."""

from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from schemas.model import Model
from schemas.order import Item
from services.order_intake.requests import (
    CancelledMarked,
    CompletedMarked,
    MarkCancelled,
    MarkCompleted,
    RegisterSalesOrder,
    SalesOrderRegistered,
    SalesOrderUpdated,
    UpdateSalesOrder,
)
from services.order_intake.settings import Settings
from shared.partner.errors import Rejected
from shared.partner.http import Reply, request
from shared.partner.operation import Attempt, Operation, Policy

M = TypeVar("M", bound=Model)

# After an uncertain outcome the ERP is asked first: it finds an order by our id. Marking or
# updating twice changes nothing.
REGISTER = Policy(timeout=10.0, concurrency=8, uncertain="query")
MARK = Policy(timeout=10.0, concurrency=8, uncertain="resend")


@dataclass(frozen=True, slots=True)
class Erp:
    url: str

    async def register(self, asked: RegisterSalesOrder, attempt: Attempt) -> SalesOrderRegistered:
        """Raises Unavailable, Uncertain, Rejected."""
        reply = await request(attempt, "POST", f"{self.url}/pedidos-venda", json=_sales_order(asked))
        return _read(SalesOrderRegistered, reply.expect(201).json())

    async def find(self, asked: RegisterSalesOrder, attempt: Attempt) -> SalesOrderRegistered | None:
        """Whether the ERP has the order. Raises Unavailable, Uncertain, Rejected."""
        url = f"{self.url}/pedidos-venda?pedido_externo={quote(asked.order_id, safe='')}"
        found = (await request(attempt, "GET", url)).expect(200).json()
        if not isinstance(found, list):
            raise Rejected(f"answered with something else than a list of sales orders: {str(found)[:200]}")
        return _read(SalesOrderRegistered, found[0]) if found else None

    async def update(self, asked: UpdateSalesOrder, attempt: Attempt) -> SalesOrderUpdated:
        """Raises Unavailable, Uncertain, Rejected."""
        url = f"{self.url}/pedidos-venda/{quote(asked.number, safe='')}"
        reply = await request(attempt, "PUT", url, json=_sales_order(asked.sale))
        return _read(SalesOrderUpdated, reply.expect(200).json())

    async def mark_completed(self, asked: MarkCompleted, attempt: Attempt) -> CompletedMarked:
        """Raises Unavailable, Uncertain, Rejected."""
        return _read(CompletedMarked, (await self._mark(asked.number, "concluido", attempt)).expect(200).json())

    async def mark_cancelled(self, asked: MarkCancelled, attempt: Attempt) -> CancelledMarked:
        """Raises Unavailable, Uncertain, Rejected."""
        return _read(CancelledMarked, (await self._mark(asked.number, "cancelado", attempt)).expect(200).json())

    async def _mark(self, number: str, situation: str, attempt: Attempt) -> Reply:
        url = f"{self.url}/pedidos-venda/{quote(number, safe='')}/situacao"
        return await request(attempt, "POST", url, json={"situacao": situation})


def operations(settings: Settings) -> tuple[Operation, ...]:
    erp = Erp(settings.erp_url.rstrip("/"))
    return (
        Operation(RegisterSalesOrder, erp.register, REGISTER, query=erp.find),
        Operation(UpdateSalesOrder, erp.update, MARK),
        Operation(MarkCompleted, erp.mark_completed, MARK),
        Operation(MarkCancelled, erp.mark_cancelled, MARK),
    )


def _sales_order(asked: RegisterSalesOrder) -> dict[str, Any]:
    return {
        "pedido_externo": asked.order_id,
        "loja": asked.store_id,
        "canal": asked.channel_id,
        "codigo_canal": asked.channel_order_code,
        "cliente": {"nome": asked.customer.name, "documento": asked.customer.tax_id},
        "itens": [_item(item) for item in asked.items],
        "frete": str(asked.freight),
        "desconto": str(asked.discount),
        "total": str(asked.total),
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "sku": item.sku,
        "quantidade": item.quantity,
        "preco": format(item.unit_price, "f"),
        "desconto": str(item.discount),
    }


def _read(model: type[M], answer: Any) -> M:
    """The order's number out of an answer. Rejected: it names none that we could keep."""
    try:
        return model.model_validate({"number": answer["numero"]})
    except (TypeError, KeyError, ValidationError) as error:
        raise Rejected(f"answered without a usable order number: {str(answer)[:200]}") from error
