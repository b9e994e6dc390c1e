"""nf_reconciliation's ERP call against the sandbox's ERP, over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.test_utils import TestServer

from deploy.local.partners import erp
from deploy.local.partners.sandbox import Sandbox
from services.nf_reconciliation.partners import Erp, operations
from services.nf_reconciliation.settings import Settings
from services.nf_reconciliation.state import BookSupplierNf
from shared.partner.errors import Rejected, Unavailable, Uncertain
from shared.partner.operation import Attempt

KEY = "42260712ABC34501DE35550010000001231123456781"


@dataclass
class Partner:
    sandbox: Sandbox
    erp: Erp
    session: ClientSession

    def attempt(self, call_id: str = "call-1", number: int = 1) -> Attempt:
        return Attempt(self.session, call_id, number, datetime.now(UTC))

    def effects(self) -> list[tuple[str, str, int]]:
        return [(e.operation, e.key, e.times) for e in self.sandbox.effects.values()]


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    sandbox = Sandbox("http://127.0.0.1:1", {})
    app = web.Application()
    app.add_subapp("/erp", erp.create_app(sandbox))
    async with TestServer(app) as server, ClientSession(timeout=ClientTimeout(total=5)) as session:
        yield Partner(sandbox, Erp(str(server.make_url("/erp"))), session)
    await sandbox.close()


def booking(**fields: Any) -> BookSupplierNf:
    asked = {"access_key": KEY, "po_number": "PC00000001", "cfop": "1118", "amount": Decimal("39.81")}
    return BookSupplierNf.model_validate(asked | fields)


async def test_nf_is_booked_once_under_its_idempotency_key(partner: Partner) -> None:
    first = await partner.erp.book(booking(), partner.attempt())
    again = await partner.erp.book(booking(), partner.attempt(number=2))
    assert first == again
    assert first.entry.startswith("NE")
    assert partner.effects() == [("nota-entrada", KEY, 2)]


async def test_lost_answer_is_uncertain_and_sending_again_books_nothing_more(partner: Partner) -> None:
    partner.sandbox.faults["erp"].lost_answer = 1.0
    with pytest.raises(Uncertain):
        await partner.erp.book(booking(), partner.attempt())
    assert partner.sandbox.faults["erp"].injected["lost_answer"] == 1
    partner.sandbox.faults["erp"].lost_answer = 0.0
    assert (await partner.erp.book(booking(), partner.attempt(number=2))).entry.startswith("NE")
    assert partner.effects() == [("nota-entrada", KEY, 2)]


async def test_other_content_under_a_known_idempotency_key_is_rejected(partner: Partner) -> None:
    await partner.erp.book(booking(), partner.attempt())
    with pytest.raises(Rejected, match="409"):
        await partner.erp.book(booking(cfop="2118"), partner.attempt())


async def test_overloaded_erp_is_unavailable_with_its_wait(partner: Partner) -> None:
    partner.sandbox.faults["erp"].too_many = 1.0
    with pytest.raises(Unavailable) as raised:
        await partner.erp.book(booking(), partner.attempt())
    assert raised.value.retry_after == 1.0
    assert partner.effects() == []


def test_operations_name_the_request_and_may_send_again() -> None:
    [operation] = operations(Settings(erp_url="http://127.0.0.1:1/erp/"))
    assert (operation.name, operation.policy.uncertain) == ("BookSupplierNf", "resend")
