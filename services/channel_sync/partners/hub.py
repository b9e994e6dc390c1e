"""The hub's API (the own shop speaks it too): `POST /orders/{code}/invoice|shipments|delivery|cancel|refund`, read
back by GET; and its queue of orders: `GET /queue/orders` gives one at a time, `DELETE /queue/orders/{code}` confirms
it.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from services.channel_sync.partners.hub_order import read_order
from services.channel_sync.partners.refusal import code_of
from services.channel_sync.requests import (
    Access,
    ChannelAnswered,
    ConfirmOrder,
    FetchOrder,
    OrderConfirmed,
    OrderFetched,
    TellCancellation,
    TellDelivery,
    TellInvoice,
    TellRefund,
    TellShipment,
)
from shared.partner.errors import Unavailable
from shared.partner.http import Reply, request
from shared.partner.operation import Attempt

_CONFIRMED = ChannelAnswered(confirmed=True)


class Hub:
    """Tells a hub. Every method raises Unavailable, Uncertain or Rejected."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets

    async def tell_invoice(self, asked: TellInvoice, attempt: Attempt) -> ChannelAnswered:
        body = {
            "key": asked.access_key,
            "number": asked.number,
            "series": asked.series,
            "issueDate": asked.issued_at.isoformat(),
        }
        if asked.xml is not None:
            body["xml"] = asked.xml
        return await self._tell(
            asked.access, asked.order_code, "invoice", body, attempt, lambda o: asked.access_key in _keys(o)
        )

    async def tell_shipment(self, asked: TellShipment, attempt: Attempt) -> ChannelAnswered:
        body = {
            "carrier": asked.carrier,
            "trackingCode": asked.tracking_code,
            "trackingUrl": asked.tracking_url,
            "invoiceKey": asked.invoice_key,
            "shippedAt": asked.dispatched_at.isoformat(),
        }
        return await self._tell(
            asked.access, asked.order_code, "shipments", body, attempt, lambda o: asked.tracking_code in _codes(o)
        )

    async def tell_delivery(self, asked: TellDelivery, attempt: Attempt) -> ChannelAnswered:
        body = {"deliveredAt": asked.delivered_at.isoformat(), "trackingCodes": list(asked.tracking_codes)}
        return await self._tell(
            asked.access,
            asked.order_code,
            "delivery",
            body,
            attempt,
            lambda o: (
                set(asked.tracking_codes) <= _delivered(o) if asked.tracking_codes else bool(o.get("deliveredAt"))
            ),
        )

    async def tell_cancellation(self, asked: TellCancellation, attempt: Attempt) -> ChannelAnswered:
        body = {"reason": asked.reason}
        return await self._tell(
            asked.access, asked.order_code, "cancel", body, attempt, lambda o: o.get("status") == "cancelled"
        )

    async def tell_refund(self, asked: TellRefund, attempt: Attempt) -> ChannelAnswered:
        """The hub pays the amount back of that payment."""
        body = {
            "refundId": asked.refund_id,
            "paymentId": asked.payment_id,
            "amount": str(asked.amount),
            "reason": asked.reason,
        }
        return await self._tell(
            asked.access, asked.order_code, "refund", body, attempt, lambda o: asked.refund_id in _refunds(o)
        )

    async def fetch_order(self, asked: FetchOrder, attempt: Attempt) -> OrderFetched:
        """The queue's next order, or none."""
        headers = {"X-User-Token": self._token(asked.access)}
        reply = await request(attempt, "GET", f"{asked.access.api_url}/queue/orders", headers=headers)
        if reply.expect(200, 204).status == 204:
            return OrderFetched()
        return read_order(reply.json(), asked.channel_id, asked.store_id)

    async def confirm_order(self, asked: ConfirmOrder, attempt: Attempt) -> OrderConfirmed:
        """404: it was confirmed before, or its five minutes are over and it will be given again."""
        headers = {"X-User-Token": self._token(asked.access)}
        url = f"{asked.access.api_url}/queue/orders/{quote(asked.code, safe='')}"
        (await request(attempt, "DELETE", url, headers=headers)).expect(200, 204, 404)
        return OrderConfirmed(code=asked.code)

    async def _tell(
        self,
        access: Access,
        order_code: str,
        what: str,
        body: Mapping[str, Any],
        attempt: Attempt,
        shown: Callable[[Mapping[str, Any]], bool],
    ) -> ChannelAnswered:
        """201 counts only when the hub shows it: an API may say yes and change nothing."""
        url = f"{access.api_url}/orders/{quote(order_code, safe='')}"
        headers = {"X-User-Token": self._token(access)}
        reply = await request(attempt, "POST", f"{url}/{what}", json=body, headers=headers)
        if reply.expect(200, 201, 422).status == 422:
            return _refused(reply)
        seen = await request(attempt, "GET", url, headers=headers)
        if shown(seen.expect(200).json()):
            return _CONFIRMED
        raise Unavailable(f"POST {url}/{what} answered {reply.status}, but the order does not show it")

    def _token(self, access: Access) -> str:
        if (token := self._secrets.get(f"channel:{access.token_ref}")) is None:
            raise Unavailable(f"FLEET_SECRETS has no secret named channel:{access.token_ref}")
        return token


def _refused(reply: Reply) -> ChannelAnswered:
    body = reply.json() or {}
    return ChannelAnswered(confirmed=False, code=code_of(body.get("error")), detail=str(body.get("message", "")))


def _keys(order: Mapping[str, Any]) -> set[str]:
    return {invoice["key"] for invoice in order.get("invoices", ())}


def _refunds(order: Mapping[str, Any]) -> set[str]:
    return {refund["refundId"] for refund in order.get("refunds", ())}


def _codes(order: Mapping[str, Any]) -> set[str]:
    return {shipment["trackingCode"] for shipment in order.get("shipments", ())}


def _delivered(order: Mapping[str, Any]) -> set[str]:
    return {shipment["trackingCode"] for shipment in order.get("shipments", ()) if shipment.get("deliveredAt")}
