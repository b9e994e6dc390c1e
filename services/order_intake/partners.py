"""The ERP: the only place that knows how it calls a sales order's fields."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from schemas.order import Item
from schemas.values import Id
from services.order_intake.settings import Settings
from services.order_intake.state import CompletedMarked, MarkCompleted, RegisterSalesOrder, SalesOrderRegistered
from shared.partner.errors import Rejected
from shared.partner.http import Reply, request
from shared.partner.operation import Attempt, Operation, Policy

# After an uncertain outcome the ERP is asked first: it finds an order by our id. Marking twice changes nothing.
REGISTER = Policy(timeout=10.0, concurrency=8, uncertain="query")
MARK = Policy(timeout=10.0, concurrency=8, uncertain="resend")


@dataclass(frozen=True, slots=True)
class Erp:
    url: str

    async def register(self, asked: RegisterSalesOrder, attempt: Attempt) -> SalesOrderRegistered:
        """Raises Unavailable, Uncertain, Rejected."""
        reply = await request(attempt, "POST", f"{self.url}/pedidos-venda", json=_sales_order(asked))
        return SalesOrderRegistered(number=_number(reply.expect(201).json()))

    async def find(self, asked: RegisterSalesOrder, attempt: Attempt) -> SalesOrderRegistered | None:
        """Whether the ERP has the order. Raises Unavailable, Uncertain, Rejected."""
        url = f"{self.url}/pedidos-venda?pedido_externo={quote(asked.order_id, safe='')}"
        found = (await request(attempt, "GET", url)).expect(200).json()
        if not isinstance(found, list):
            raise Rejected(f"answered with something else than a list of sales orders: {str(found)[:200]}")
        return SalesOrderRegistered(number=_number(found[0])) if found else None

    async def mark_completed(self, asked: MarkCompleted, attempt: Attempt) -> CompletedMarked:
        """Raises Unavailable, Uncertain, Rejected."""
        url = f"{self.url}/pedidos-venda/{quote(asked.number, safe='')}/situacao"
        reply: Reply = await request(attempt, "POST", url, json={"situacao": "concluido"})
        return CompletedMarked(number=_number(reply.expect(200).json()))


def operations(settings: Settings) -> tuple[Operation, ...]:
    erp = Erp(settings.erp_url.rstrip("/"))
    return (
        Operation(RegisterSalesOrder, erp.register, REGISTER, query=erp.find),
        Operation(MarkCompleted, erp.mark_completed, MARK),
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


def _number(answer: Any) -> Id:
    """Rejected: the ERP's answer names no number."""
    number = answer.get("numero") if isinstance(answer, dict) else None
    if not isinstance(number, str) or not number:
        raise Rejected(f"answered without the order's number: {str(answer)[:200]}")
    return number
