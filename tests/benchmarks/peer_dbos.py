"""An order as a DBOS workflow of ten durable steps, on the same PostgreSQL. Run as a process.

    python -m tests.benchmarks.peer_dbos DATABASE_URL ORDERS WARM CONCURRENCY [ERP_URL]

WARM orders go first and are not measured.

Each step saves the order's state (one upsert of the whole jsonb document, as a service of the fleet does) and is then
remembered by DBOS. With ERP_URL five of them ask the sandbox's ERP first, under an idempotency key. DBOS as its
documentation has it for speed: async workflows, steps on asyncpg, a pool as large as the concurrency, no tracing, only
errors logged. Orders are started directly, so many at once; a queue would cost it one more statement an order.
Saving a state twice changes nothing, so no step needs a transaction with DBOS's own record, which would cost it more.
Prints its figures as JSON.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from time import perf_counter
from typing import Any
from uuid import uuid4
from zlib import crc32

import aiohttp
import asyncpg
import psutil
import uvloop
from dbos import DBOS, DBOSConfig, SetWorkflowID

from deploy.local import world
from schemas.access_key import check_digit
from schemas.order import OrderPlaced
from tests.benchmarks.window import Figures, peak_mb

State = dict[str, Any]
Ask = Callable[[str, State, str], Awaitable[Any]]
"""`ask(path, body, idempotency key)`: what the ERP answers."""

TABLE = "create table if not exists peer_state (key text primary key, version int not null, body jsonb not null)"
SAVE = (
    "insert into peer_state as t (key, version, body) values ($1, 1, $2::jsonb) "
    "on conflict (key) do update set version = t.version + 1, body = excluded.body"
)
STEPS = (
    "accepted",
    "registered",
    "routed",
    "po_created",
    "po_sent",
    "s2_matched",
    "r_authorised",
    "handed_over",
    "s1_matched",
    "completed",
)
"""What happens to an order in the fleet, one after the other."""


class Partners:
    """The ERP, where there is one: which step asks it for what."""

    def __init__(self, session: aiohttp.ClientSession, url: str | None) -> None:
        self._session = session
        self._url = url

    async def asked(self, step: str, state: State) -> State:
        """What the step learns. Nothing, for a step that asks nobody."""
        if self._url is None:
            return {}
        order_id = state["order_id"]
        match step:
            case "registered":
                return await self._post("/pedidos-venda", sales_order(state), f"{order_id}/so")
            case "po_created":
                answer = await self._post("/pedidos-compra", purchase_order(state), f"{order_id}/po")
                return {"po_number": answer["numero"]}
            case "s2_matched":
                body = {
                    "chave": some_key(order_id),
                    "pedido_compra": state["po_number"],
                    "cfop": "5118",
                    "valor": "10.00",
                }
                return await self._post("/notas-entrada", body, f"{order_id}/s2")
            case "r_authorised":
                return await self._move(state, "despachado")
            case "completed":
                return await self._move(state, "concluido")
        return {}

    async def _move(self, state: State, status: str) -> State:
        path = f"/pedidos-venda/{state['numero']}/situacao"
        return await self._post(path, {"situacao": status}, f"{state['order_id']}/{status}")

    async def _post(self, path: str, body: State, key: str) -> State:
        url = f"{self._url}{path}"
        async with self._session.post(url, json=body, headers={"Idempotency-Key": key}) as answer:
            if answer.status not in (200, 201):
                raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
            found: State = await answer.json()
            return found


def placed(orders: int) -> list[State]:
    """The demo's orders, under ids of their own in each call."""
    run = uuid4().hex[:8]
    found = [m for m in world.orders(2 * orders, 1) if isinstance(m, OrderPlaced)][:orders]
    return [m.model_dump(mode="json") | {"order_id": f"{run}-{m.order_id}"} for m in found]


def some_key(order_id: str) -> str:
    """A well-formed access key of this order's own."""
    number, code = crc32(order_id.encode()) % 10**9, crc32(order_id[::-1].encode()) % 10**8
    digits = f"3526111122233300018155001{number:09d}1{code:08d}"
    return digits + check_digit(digits)


def sales_order(state: State) -> State:
    return {
        "pedido_externo": state["order_id"],
        "loja": state["store_id"],
        "canal": state["channel_id"],
        "codigo_canal": state["channel_order_code"],
        "cliente": {"nome": state["customer"]["name"], "documento": state["customer"]["tax_id"]},
        "itens": [
            {"sku": i["sku"], "quantidade": i["quantity"], "preco": i["unit_price"], "desconto": i["discount"]}
            for i in state["items"]
        ],
        "frete": state["freight"],
        "desconto": state["discount"],
        "total": state["total"],
    }


def purchase_order(state: State) -> State:
    return {
        "referencia": state["order_id"],
        "fornecedor_cnpj": "11222333000181",
        "itens": [
            {"item": i["line"], "sku": i["sku"], "quantidade": i["quantity"], "custo": i["unit_price"]}
            for i in state["items"]
        ],
        "total": state["total"],
    }


async def main(url: str, orders: int, warm: int, concurrency: int, erp: str | None) -> None:
    config = DBOSConfig(
        name="peer",
        system_database_url=url,
        sys_db_pool_size=concurrency,
        log_level="ERROR",
        enable_otlp=False,
        run_migrations=True,
    )
    DBOS(config=config)
    async with (
        asyncpg.create_pool(url, min_size=concurrency, max_size=concurrency) as pool,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        await pool.execute(TABLE)
        partners = Partners(session, erp)

        @DBOS.step()
        async def step(name: str, state: State) -> State:
            state = state | await partners.asked(name, state)
            state["history"] = [*state.get("history", ()), name]
            await pool.execute(SAVE, state["order_id"], json.dumps(state))
            return state

        @DBOS.workflow()
        async def order(state: State) -> None:
            for name in STEPS:
                state = await step(name, state)

        DBOS.launch()
        room = asyncio.Semaphore(concurrency)

        async def one(state: State) -> None:
            async with room:
                with SetWorkflowID(str(uuid4())):
                    await order(state)

        await asyncio.gather(*(one(state) for state in placed(warm)))
        states, process, started = placed(orders), psutil.Process(), perf_counter()
        before = process.cpu_times()
        await asyncio.gather(*(one(state) for state in states))
        seconds, after = perf_counter() - started, process.cpu_times()
        DBOS.destroy()
    cpu = after.user + after.system - before.user - before.system
    figures = Figures(orders / seconds, cpu / orders * 1e6, peak_mb(process))
    print(json.dumps(asdict(figures)), flush=True)


if __name__ == "__main__":
    url, orders, warm, concurrency = sys.argv[1:5]
    uvloop.run(main(url, int(orders), int(warm), int(concurrency), sys.argv[5] if len(sys.argv) > 5 else None))
