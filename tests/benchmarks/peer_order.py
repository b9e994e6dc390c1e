"""The whole flow of an order as a DBOS workflow, step for step as the fleet did it. Run as a process.

    python -m tests.benchmarks.peer_order DATABASE_URL SCRIPTS WARM CONCURRENCY

SCRIPTS is a file with an order a line, as `peer_script` writes it. The first WARM orders are not measured.

What a script says was recorded from an order that the fleet brought to its end on the same machine: every fact that a
service published of it, and every call that a service made for it, in their order. A fact is a step that saves the
order's state (one upsert of the whole document). A call is a step that makes the same request with the service's own
code, under an idempotency key of its own, against the same sandbox: ERP, SEFAZ (R is built and signed, under a new
number), suppliers, channels and the mail server. Both are durable in DBOS before the next one begins.

DBOS has it easier: callbacks of suppliers, carriers and bank are taken as given (nobody checks S2 and S1, and the
suppliers, who know these POs, issue none); nothing is decided, journaled, deduplicated or told to another service.
"""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from random import randrange
from typing import Any

import aiohttp
import asyncpg
import uvloop
from dbos import DBOS

from schemas.access_key import control_code, parts
from services.billing import partners as billing
from services.billing.invoice_arithmetic import access_key
from services.billing.requests import (
    AuthoriseInvoice,
)
from services.billing.settings import Settings as BillingSettings
from services.channel_sync import partners as channel_sync
from services.channel_sync.settings import Settings as ChannelSyncSettings
from services.nf_reconciliation import partners as nf_reconciliation
from services.nf_reconciliation.settings import Settings as NfReconciliationSettings
from services.order_intake import partners as order_intake
from services.order_intake.settings import Settings as OrderIntakeSettings
from services.po_dispatch import partners as po_dispatch
from services.po_dispatch.settings import Settings as PoDispatchSettings
from shared.partner.operation import Attempt, Operation
from shared.settings import read
from tests.benchmarks.peer_dbos import SAVE, TABLE, launched, timed
from tests.benchmarks.peer_script import load


def _operations() -> dict[str, Operation]:
    """The services' own, by the name of their request. The environment is the services'."""
    return {
        operation.name: operation
        for operation in chain(
            order_intake.operations(read(OrderIntakeSettings)),
            po_dispatch.operations(read(PoDispatchSettings)),
            nf_reconciliation.operations(read(NfReconciliationSettings)),
            billing.operations(read(BillingSettings)),
            channel_sync.operations(read(ChannelSyncSettings)),
        )
    }


def _renumbered(asked: AuthoriseInvoice) -> AuthoriseInvoice:
    """SEFAZ takes a number once."""
    document, number = asked.document, randrange(10**8, 10**9)
    key = parts(document.access_key)
    code = control_code(asked.invoice_id, number)
    cnpj, series = document.issuer.cnpj, document.series
    chosen = access_key(key.uf_code, document.issued_at, cnpj, series, number, key.emission_type, code)
    update = {"number": number, "code": code, "access_key": chosen}
    return asked.model_copy(update={"document": document.model_copy(update=update)})


async def main(url: str, file: Path, warm: int, concurrency: int) -> None:
    operations = _operations()
    async with (
        asyncpg.create_pool(url, min_size=concurrency, max_size=concurrency) as pool,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        await pool.execute(TABLE)
        with launched(url, concurrency):

            @DBOS.step()
            async def record(state: dict[str, Any], fact: str) -> None:
                await pool.execute(SAVE, state["order_id"], json.dumps(state))

            @DBOS.step()
            async def call(name: str, request: str, key: str) -> Any:
                operation = operations[name]
                asked = operation.request.model_validate_json(request, extra="ignore")
                if isinstance(asked, AuthoriseInvoice):
                    asked = _renumbered(asked)
                answer = await operation.send(asked, Attempt(session, key, 1, datetime.now(UTC)))
                return answer.model_dump(mode="json")

            some = list(load(file))

            @DBOS.workflow()
            async def order(placed: dict[str, Any], script: int) -> None:
                state: dict[str, Any] = {**placed, "order_id": DBOS.workflow_id, "history": []}
                for number, (kind, name, *request) in enumerate(some[script].steps):
                    if kind == "fact":
                        state["history"].append(name)
                        await record(state, name)
                    else:
                        await call(name, request[0], f"{DBOS.workflow_id}/{number}")

            numbers = range(len(some))
            figures = await timed(lambda n: order(some[n].order, n), numbers[:warm], numbers[warm:], concurrency)
    print(json.dumps(asdict(figures)), flush=True)


if __name__ == "__main__":
    url, file, warm, concurrency = sys.argv[1:]
    uvloop.run(main(url, Path(file), int(warm), int(concurrency)))
