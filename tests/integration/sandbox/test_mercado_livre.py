"""channel_sync's Mercado Livre calls against the sandbox's, over HTTP: the XML, the label, the delivery."""

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from deploy.local.partners import mercado_livre
from deploy.local.partners.sandbox import Sandbox
from schemas.channel import ChannelOrderReported
from services.channel_sync.partners.mercado_livre import MercadoLivre
from services.channel_sync.requests import Access, SendInvoiceXml
from shared.partner.errors import Rejected, Unavailable
from tests.integration.sandbox.serving import SECRETS, Partners, partners_at_work
from tests.unit.channel_sync.builders import access_key

CLIENT = MercadoLivre(SECRETS)


@pytest.fixture
async def partners() -> AsyncIterator[Partners]:
    async with partners_at_work({mercado_livre.NAME: mercado_livre.create_app}) as running:
        yield running


def nfe_proc(key: str, status: str = "100") -> str:
    xml = (
        '<nfeProc xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><NFe/><protNFe versao="4.00"><infProt>'
        f"<chNFe>{key}</chNFe><cStat>{status}</cStat></infProt></protNFe></nfeProc>"
    )
    return b64encode(xml.encode()).decode()


def xml(partners: Partners, number: int = 1, status: str = "100", **fields: Any) -> SendInvoiceXml:
    asked = SendInvoiceXml(
        access=Access(api_url=f"{partners.url}/mercado-livre", token_ref="mercado-livre"),
        shipment_id="MER-1",
        access_key=access_key(number),
        xml=nfe_proc(access_key(number), status),
    )
    return asked.model_copy(update=fields)


async def reported(partners: Partners) -> ChannelOrderReported:
    path, body = await partners.door.next()
    assert (path, body["type"]) == ("/v1/channels/mercado-livre/events", "channel.order_reported")
    return ChannelOrderReported.model_validate(body["data"] | {"channel_id": "mercado-livre"})


async def test_xml_unlocks_the_label_and_the_parcel_is_delivered_after_it_shipped(partners: Partners) -> None:
    assert (await CLIENT.send_invoice_xml(xml(partners), partners.attempt())).confirmed
    report = await reported(partners)
    assert (report.status, report.channel_order_code) == ("label_ready", "MER-1")
    assert report.label is not None
    assert partners.door.posts.empty()
    assert partners.sandbox.shipped(report.label.tracking_code) is True
    assert (await reported(partners)).status == "delivered"


async def test_parcel_that_is_handed_over_twice_is_delivered_once(partners: Partners) -> None:
    await CLIENT.send_invoice_xml(xml(partners), partners.attempt())
    label = (await reported(partners)).label
    assert label is not None
    for _ in range(2):
        assert partners.sandbox.shipped(label.tracking_code) is True
    assert (await reported(partners)).status == "delivered"
    await CLIENT.send_invoice_xml(xml(partners, 2, shipment_id="MER-2"), partners.attempt("c2"))
    assert (await reported(partners)).status == "label_ready"


async def test_parcel_of_another_carrier_is_none_of_its_business(partners: Partners) -> None:
    assert partners.sandbox.shipped("TRK1") is False


async def test_invoice_saved_before_is_success_when_the_key_is_ours(partners: Partners) -> None:
    for number in (1, 2):
        assert (await CLIENT.send_invoice_xml(xml(partners), partners.attempt("c1", number))).confirmed
    assert partners.effects() == [("invoice_data", f"MER-1/{access_key()}", 2)]


async def test_other_invoice_saved_before_is_refused(partners: Partners) -> None:
    await CLIENT.send_invoice_xml(xml(partners), partners.attempt("c1"))
    answer = await CLIENT.send_invoice_xml(xml(partners, 2), partners.attempt("c2"))
    assert (answer.confirmed, answer.code) == (False, "other_invoice_saved")
    assert access_key(1) in answer.detail


async def test_key_of_another_shipment_is_refused(partners: Partners) -> None:
    await CLIENT.send_invoice_xml(xml(partners), partners.attempt("c1"))
    answer = await CLIENT.send_invoice_xml(xml(partners, shipment_id="MER-2"), partners.attempt("c2"))
    assert (answer.confirmed, answer.code) == (False, "duplicated_fiscal_key")


async def test_nf_that_is_not_authorised_is_refused(partners: Partners) -> None:
    answer = await CLIENT.send_invoice_xml(xml(partners, status="301"), partners.attempt())
    assert (answer.confirmed, answer.code, answer.detail) == (False, "invalid_nfe_cstat", "cStat 301")


async def test_error_that_the_contract_does_not_foresee_is_rejected(partners: Partners) -> None:
    with pytest.raises(Rejected, match="invalid_nfe_xml"):
        await CLIENT.send_invoice_xml(xml(partners, xml=b64encode(b"hello").decode()), partners.attempt())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("wrong_receiver_zipcode", "wrong_receiver_zipcode"),
        ("nfe_order_value_divergence", "nfe_order_value_divergence"),
    ],
)
async def test_permanent_errors_of_the_api_are_refusals(error: str, code: str) -> None:
    async with partners_at_work({mercado_livre.NAME: answering(400, {"error": error, "message": "why"})}) as partners:
        answer = await CLIENT.send_invoice_xml(xml(partners), partners.attempt())
        assert (answer.confirmed, answer.code, answer.detail) == (False, code, "why")


async def test_shipment_that_is_being_processed_is_tried_again() -> None:
    busy = answering(400, {"error": "shipment_already_being_processed"})
    async with partners_at_work({mercado_livre.NAME: busy}) as partners:
        with pytest.raises(Unavailable, match="being processed"):
            await CLIENT.send_invoice_xml(xml(partners), partners.attempt())


async def test_yes_that_changes_nothing_is_not_believed() -> None:
    async with partners_at_work({mercado_livre.NAME: answering(200, {})}) as partners:
        with pytest.raises(Unavailable, match="does not show its invoice"):
            await CLIENT.send_invoice_xml(xml(partners), partners.attempt())


def answering(status: int, body: dict[str, str]) -> Any:
    """A marketplace that answers every POST the same, and shows a shipment without an invoice."""

    def create(sandbox: Sandbox) -> web.Application:
        async def post(request: web.Request) -> web.Response:
            return web.json_response(body, status=status)

        async def show(request: web.Request) -> web.Response:
            return web.json_response({"id": "MER-1", "invoice": None})

        app = web.Application()
        app.add_routes([web.post("/shipments/{id}/invoice_data/", post), web.get("/shipments/{id}", show)])
        return app

    return create
