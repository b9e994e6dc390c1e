"""What is known of a message that is dead before it is decoded."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from schemas import envelope
from schemas.order import OrderCompleted
from schemas.payment import PaymentApproved
from shared.broker.link import Delivery
from shared.worker import decode as module
from shared.worker.decode import decode, decode_all_kept, decode_kept, refused
from shared.worker.incoming import Fault, Incoming, Kept

MONTH = timedelta(days=30)
LIMIT = Fault("delivery_limit", "it kills")


def delivered(body: bytes, content_type: str = envelope.PACK) -> Delivery:
    return Delivery(1, "order_intake", "fleet.inbound", "payment.approved.v1", content_type, {}, body, False)


def test_pack_that_is_not_decoded_is_cut_into_events_that_can_be_replayed_one_by_one() -> None:
    events = [b'{"source": "/upstream/a", "id": "%d", "data": {}}' % n for n in range(3)]
    items = refused(delivered(b"[" + b", ".join(events) + b"]"), LIMIT)
    assert [(i.source, i.id, i.raw) for i in items] == [("/upstream/a", str(n), e) for n, e in enumerate(events)]
    assert {i.fault.reason for i in items if i.fault} == {"delivery_limit"}


def test_pack_that_cannot_be_cut_is_one_dead_letter() -> None:
    for body in (b"[{", b"[]", b"\xff", b"[" * 100_000):
        (item,) = refused(delivered(body), LIMIT)
        assert item.fault is not None
        assert (item.fault.reason, item.raw) == ("delivery_limit", body)


def test_body_that_is_not_utf8_is_said_to_be_so() -> None:
    (item,) = decode(delivered(b"\xff\xfe{}", envelope.EVENT), MONTH)
    assert item.fault is not None
    assert item.fault.error.startswith("not JSON: 'utf-8' codec can't decode byte 0xff in position 0")


NOW = datetime.now(UTC)


def kept(id: str, body: bytes, type: str = PaymentApproved.TYPE, reason: str = "decision_raised") -> Kept:
    source = "/upstream/a"
    return Kept(
        *(envelope.reference(source, id), "dead", source, id, type, "ORD-1", "order:ORD-1", 1, None, uuid4()),
        *(reason, "error", NOW, NOW, envelope.EVENT, "{}", body),
    )


def payment(id: str) -> bytes:
    said = PaymentApproved(order_id="ORD-1", payment_id=id, amount="1.00", approved_at=NOW)
    return envelope.encode(said, id=id, source="/upstream/a", time=NOW - timedelta(days=400))


def completed(id: str) -> bytes:
    said = OrderCompleted(order_id="ORD-1", store_id="s", channel_id="c", completed_at=NOW)
    return envelope.encode(said, id=id, source="/upstream/a", time=NOW)


def told(item: Incoming) -> tuple[object, ...]:
    return item.ref, item.type, item.data, item.fault, item.time, item.kept, item.delivery, item.index, item.raw


def test_kept_events_are_decoded_together_as_each_would_be_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[tuple[Kept, bytes | None]] = [(kept(str(n), payment(str(n))), None) for n in range(5)]
    rows += [(kept(f"c{n}", completed(f"c{n}"), OrderCompleted.TYPE), None) for n in range(2)]
    rows.append((kept("edited", payment("edited")), payment("edited").replace(b"1.00", b"2.00")))
    rows.append((replace(kept("before", payment("before")), edited=payment("before").replace(b"1.00", b"3.00")), None))
    rows.append((kept("rubbish", b"?", reason="undecodable"), None))
    rows.append((kept("nobody", b"{}", "nobody.knows.v1", "held"), None))
    alone = [told(decode_kept(row, edited)) for row, edited in rows]
    one_by_one: list[str] = []

    def counted(row: Kept, edited: bytes | None = None) -> Incoming:
        one_by_one.append(row.id)
        return decode_kept(row, edited)

    monkeypatch.setattr(module, "decode_kept", counted)
    assert [told(item) for item in decode_all_kept(rows)] == alone
    assert one_by_one == ["edited", "before", "rubbish", "nobody"], "the others went together"


@pytest.mark.parametrize(
    "bodies",
    [
        (payment("1"), payment("other"), payment("3")),
        (payment("1") + b"," + payment("2"), payment("3")[:20], payment("3")[20:]),
        (payment("1"), b"", payment("3")),
    ],
)
def test_kept_events_whose_bodies_are_not_theirs_are_decoded_one_by_one(bodies: tuple[bytes, ...]) -> None:
    rows: list[tuple[Kept, bytes | None]] = [(kept(str(n), body), None) for n, body in enumerate(bodies, start=1)]
    assert [told(item) for item in decode_all_kept(rows)] == [told(decode_kept(row, edited)) for row, edited in rows]
