"""What is known of a message that is dead before it is decoded."""

from datetime import timedelta

from schemas import envelope
from shared.broker.link import Delivery
from shared.worker.decode import decode, refused
from shared.worker.incoming import Fault

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
