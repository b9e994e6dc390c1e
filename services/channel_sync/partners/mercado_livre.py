"""Mercado Livre's API for shipments of its own logistics (ME2): the NF's XML unlocks the label.

https://developers.mercadolivre.com.br/pt_br/faturador-importar-nota-fiscal
"""

from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import quote

from services.channel_sync.partners.refusal import code_of
from services.channel_sync.requests import ChannelAnswered, SendInvoiceXml
from shared.partner.errors import Unavailable
from shared.partner.http import request
from shared.partner.operation import Attempt

_SAVED_BEFORE = "shipment_invoice_already_saved"
_BUSY = "shipment_already_being_processed"
_PERMANENT = ("invalid_nfe_cstat", "nfe_order_value_divergence", "duplicated_fiscal_key")


class MercadoLivre:
    """Tells Mercado Livre. Raises Unavailable, Uncertain or Rejected."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets

    async def send_invoice_xml(self, asked: SendInvoiceXml, attempt: Attempt) -> ChannelAnswered:
        """Posts the raw nfeProc and reads the saved key back; "already saved" is success when the key is ours."""
        if (token := self._secrets.get(f"channel:{asked.access.token_ref}")) is None:
            raise Unavailable(f"FLEET_SECRETS has no secret named channel:{asked.access.token_ref}")
        url = f"{asked.access.api_url}/shipments/{quote(asked.shipment_id, safe='')}"
        headers = {"Authorization": f"Bearer {token}"}
        reply = await request(
            attempt,
            "POST",
            f"{url}/invoice_data/?siteId=MLB",
            data=b64decode(asked.xml),
            headers={**headers, "Content-Type": "application/xml"},
        )
        error, message = "", ""
        if reply.status not in (200, 201):
            body = reply.expect(400).json() or {}
            error, message = str(body.get("error")), str(body.get("message", ""))
        if error == _BUSY:
            raise Unavailable(f"shipment {asked.shipment_id} is being processed there")
        if error in _PERMANENT or error.startswith("wrong_receiver_"):
            return ChannelAnswered(confirmed=False, code=code_of(error), detail=message)
        if error not in ("", _SAVED_BEFORE):
            reply.expect(200, 201)
        return await self._compare(asked, attempt, url, headers)

    async def _compare(
        self, asked: SendInvoiceXml, attempt: Attempt, url: str, headers: Mapping[str, str]
    ) -> ChannelAnswered:
        shown = (await request(attempt, "GET", url, headers=headers)).expect(200).json()
        key = (shown.get("invoice") or {}).get("fiscal_key")
        if key == asked.access_key:
            return ChannelAnswered(confirmed=True)
        if key is None:
            raise Unavailable(f"shipment {asked.shipment_id} does not show its invoice")
        return ChannelAnswered(
            confirmed=False, code="other_invoice_saved", detail=f"shipment {asked.shipment_id} has invoice {key}"
        )
