"""billing's `partners` against the sandbox's SEFAZ over HTTP: authorised, asked again, rejected, uncertain."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.partners import sefaz
from deploy.local.partners.certificate import self_signed
from deploy.local.partners.sandbox import Sandbox
from schemas.access_key import CODE_BY_UF, control_code
from services.billing.invoice_arithmetic import access_key
from services.billing.nfe_signature import schema_problems
from services.billing.partners import Sefaz
from services.billing.requests import AuthoriseInvoice, CancelInvoice
from shared.partner.errors import Rejected, Unavailable, Uncertain
from shared.partner.operation import Attempt
from tests.unit.nf_builders import BRASILIA, invoice, invoice_item, retailer

CERTIFICATE = self_signed("LOJA DAS PECAS", retailer().cnpj)


@dataclass
class World:
    """The sandbox's SEFAZ on a port of its own, and an issuer that uses it."""

    sandbox: Sandbox
    issuer: Sefaz
    session: aiohttp.ClientSession

    def attempt(self, call_id: str = "call-1") -> Attempt:
        return Attempt(self.session, call_id, 1, datetime.now(UTC))

    @property
    def authorised(self) -> int:
        """How many documents it authorised."""
        return len([e for e in self.sandbox.effects.values() if e.operation == "autorizacao"])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    sandbox = Sandbox("http://localhost:1", {})
    app = web.Application()
    app.add_subapp("/sefaz", sefaz.create_app(sandbox))
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        issuer = Sefaz(str(server.make_url("/sefaz")), "1", CERTIFICATE.key_pem, CERTIFICATE.cert_pem)
        yield World(sandbox, issuer, session)
    await sandbox.close()


def asked(number: int = 501, **overrides: Any) -> AuthoriseInvoice:
    """An R issued now, as SEFAZ wants it."""
    now = datetime.now(BRASILIA).replace(microsecond=0)
    key = access_key(CODE_BY_UF["SP"], now, retailer().cnpj, 1, number, "1", control_code("order-1", number))
    fields: dict[str, Any] = {"number": number, "issued_at": now, "access_key": key}
    return AuthoriseInvoice(invoice_id="invoice-1", document=invoice(**fields | overrides))


async def test_invoice_is_authorised_with_protocol_and_valid_xml(world: World) -> None:
    request = asked()
    answer = await world.issuer.authorise(request, world.attempt())
    assert (answer.outcome, answer.code) == ("authorised", "100")
    assert answer.protocol is not None
    xml = base64.b64decode(answer.xml or "")
    assert schema_problems(xml) == ()
    assert request.document.access_key.encode() in xml
    assert answer.protocol.encode() in xml
    assert world.authorised == 1


async def test_invoice_sent_twice_is_authorised_once_and_answered_the_same(world: World) -> None:
    request = asked()
    first = await world.issuer.authorise(request, world.attempt())
    again = await world.issuer.authorise(request, world.attempt("call-2"))
    assert again == first
    assert world.authorised == 1


async def test_answer_that_was_lost_is_found_by_the_key(world: World) -> None:
    request = asked()
    world.sandbox.faults["sefaz"].lost_answer = 1.0
    with pytest.raises(Uncertain):
        await world.issuer.authorise(request, world.attempt())
    assert world.sandbox.faults["sefaz"].injected["lost_answer"] == 1
    world.sandbox.faults["sefaz"].lost_answer = 0.0
    found = await world.issuer.find(request, world.attempt())
    assert found is not None
    assert found.outcome == "authorised"
    assert world.authorised == 1


async def test_key_that_sefaz_never_saw_is_not_found(world: World) -> None:
    assert await world.issuer.find(asked(), world.attempt()) is None


async def test_same_number_under_another_key_is_rejected(world: World) -> None:
    await world.issuer.authorise(asked(), world.attempt())
    now = datetime.now(BRASILIA).replace(microsecond=0)
    key = access_key(CODE_BY_UF["SP"], now, retailer().cnpj, 1, 501, "1", "87654320")
    answer = await world.issuer.authorise(asked(code="87654320", access_key=key, issued_at=now), world.attempt())
    assert (answer.outcome, answer.code) == ("rejected", "539")
    assert world.authorised == 1


async def test_document_that_is_wrong_is_rejected_with_the_reason(world: World) -> None:
    short_paid = asked(items=(invoice_item(unit_price=Decimal("59.90")),))
    answer = await world.issuer.authorise(short_paid, world.attempt())
    assert (answer.outcome, answer.code) == ("rejected", "865")
    assert answer.reason
    assert world.authorised == 0


async def test_same_key_with_other_content_is_an_alarm_and_not_an_answer(world: World) -> None:
    request = asked()
    await world.issuer.authorise(request, world.attempt())
    changed = AuthoriseInvoice(
        invoice_id="invoice-1", document=request.document.model_copy(update={"text": "outro texto"})
    )
    with pytest.raises(Rejected, match="other content"):
        await world.issuer.authorise(changed, world.attempt())


async def test_document_whose_key_is_not_its_own_is_never_sent(world: World) -> None:
    request = asked()
    wrong = request.model_copy(update={"document": request.document.model_copy(update={"number": 502})})
    with pytest.raises(Rejected, match="cannot be written"):
        await world.issuer.authorise(wrong, world.attempt())


async def test_busy_sefaz_is_tried_later(world: World) -> None:
    world.sandbox.faults["sefaz"].too_many = 1.0
    with pytest.raises(Unavailable) as caught:
        await world.issuer.authorise(asked(), world.attempt())
    assert caught.value.retry_after == 1.0
    assert world.sandbox.faults["sefaz"].injected["too_many"] == 1


async def test_what_is_no_nfe_is_rejected_and_answered_in_xml(world: World) -> None:
    async with world.session.post(f"{world.issuer.url}/autorizacao", data=b"<html>") as response:
        text = await response.text()
    assert response.status == 200
    assert "<cStat>243</cStat>" in text


def of(request: AuthoriseInvoice, authorisation: str | None, **overrides: Any) -> CancelInvoice:
    fields: dict[str, Any] = {
        "invoice_id": "invoice-1", "access_key": request.document.access_key, "protocol": authorisation,
        "reason": "Pedido cancelado pelo cliente", "at": datetime.now(BRASILIA).replace(microsecond=0),
    }  # fmt: skip
    return CancelInvoice(**fields | overrides)


async def cancellation(world: World, **overrides: Any) -> CancelInvoice:
    """Of an R that was authorised just now."""
    request = asked()
    answer = await world.issuer.authorise(request, world.attempt())
    return of(request, answer.protocol, **overrides)


async def test_authorised_invoice_is_cancelled_once_and_answered_the_same(world: World) -> None:
    request = await cancellation(world)
    first = await world.issuer.cancel(request, world.attempt())
    assert (first.outcome, first.code) == ("cancelled", "135")
    assert await world.issuer.cancel(request, world.attempt("call-2")) == first
    assert len([e for e in world.sandbox.effects.values() if e.operation == "cancelamento"]) == 1


async def test_cancellation_whose_answer_was_lost_is_found_by_the_key(world: World) -> None:
    request = await cancellation(world)
    assert await world.issuer.find_cancellation(request, world.attempt()) is None
    world.sandbox.faults["sefaz"].lost_answer = 1.0
    with pytest.raises(Uncertain):
        await world.issuer.cancel(request, world.attempt())
    world.sandbox.faults["sefaz"].lost_answer = 0.0
    found = await world.issuer.find_cancellation(request, world.attempt())
    assert found is not None
    assert found.outcome == "cancelled"


async def test_cancelled_invoice_is_still_found_as_authorised(world: World) -> None:
    """R's own call may be uncertain for longer than R lives."""
    request = asked()
    answer = await world.issuer.authorise(request, world.attempt())
    await world.issuer.cancel(of(request, answer.protocol), world.attempt())
    found = await world.issuer.find(request, world.attempt())
    assert found == answer


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"protocol": "135260000000999"}, "222", id="another protocol"),
        pytest.param({"reason": "curto"}, "225", id="reason too short"),
    ],
)
async def test_cancellation_that_is_wrong_is_rejected_with_the_reason(
    world: World, changes: dict[str, Any], code: str
) -> None:
    answer = await world.issuer.cancel(await cancellation(world, **changes), world.attempt())
    assert (answer.outcome, answer.code) == ("rejected", code)
