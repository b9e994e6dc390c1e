"""What is said of partner calls, also of the partner with the longest name that there may be."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

from schemas.model import Model
from shared.partner.report import answered, exhausted
from shared.partner.store import Leased

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUPPLIER = "s" * 64


class Taken(Model):
    number: str


def call() -> Leased:
    return Leased(
        id=UUID(int=1),
        partner=f"supplier:{SUPPLIER}",
        lane="ORD-1",
        key="ORD-1",
        aggregate="fulfilment",
        operation="SendPurchaseOrder",
        request="{}",
        generation=1,
        attempt=1,
        created_at=AT,
        exhaust_at=AT,
        uncertain=False,
        lease_token=uuid4(),
        correlation="c-1",
        trace=None,
    )


def test_partner_named_after_the_longest_supplier_id_is_answered_for() -> None:
    [message] = answered("po_dispatch", uuid4(), [(call(), Taken(number="1"))], AT)
    assert [event["data"]["partner"] for event in json.loads(message.body)] == [f"supplier:{SUPPLIER}"]


def test_partner_named_after_the_longest_supplier_id_is_given_up() -> None:
    messages = exhausted("po_dispatch", "1", uuid4(), call(), "away", uuid4(), AT, {"order_id": "ORD-1"})
    said = [event["data"] for message in messages for event in json.loads(message.body)]
    assert sorted(data.get("partner") or data["event_source"] for data in said) == [f"supplier:{SUPPLIER}"] * 2
    assert [data["about"] for data in said if "about" in data] == [{"order_id": "ORD-1"}]
