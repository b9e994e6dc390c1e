"""Dead letters are found by the order that they concern: every state that is an order's says so of its key."""

import pytest

from schemas.catalogue import CONSUMERS
from services.billing import __main__ as billing
from services.channel_sync import __main__ as channel_sync
from services.control_room.facts import NAMED
from services.nf_reconciliation import __main__ as nf_reconciliation
from services.order_intake import __main__ as order_intake
from services.po_dispatch import __main__ as po_dispatch
from services.po_dispatch.decide import not_needed
from shared.worker.subscription import Subscription, Subscriptions

TABLES: dict[str, Subscriptions] = {
    "billing": billing.SUBSCRIPTIONS,
    "channel_sync": channel_sync.SUBSCRIPTIONS,
    "nf_reconciliation": nf_reconciliation.SUBSCRIPTIONS,
    "order_intake": order_intake.SUBSCRIPTIONS,
    "po_dispatch": po_dispatch.SUBSCRIPTIONS,
}
OF_NO_ORDER = {"store", "supplier", "channel", "channel_queue", "tax_profile", "offer", "shipping_rule", "packaging"}


def test_all_consumers_are_looked_at() -> None:
    assert set(TABLES) == set(CONSUMERS)


@pytest.mark.parametrize("service", TABLES)
def test_every_state_of_an_order_is_named_as_the_control_room_finds_orders(service: str) -> None:
    kinds = {s.aggregate.table: s.aggregate.named for s in TABLES[service]}
    of_orders = {table: named for table, named in kinds.items() if table not in OF_NO_ORDER}
    assert of_orders
    assert set(of_orders.values()) <= {"order_id", *NAMED}, of_orders


def test_queue_is_named_as_its_channel() -> None:
    """What is asked of it does not name the channel, and its partner is called otherwise."""
    assert channel_sync.QUEUE.named == "channel_id"


@pytest.mark.parametrize("service", TABLES)
def test_key_that_is_a_messages_subject_is_named_as_the_message_names_it(service: str) -> None:
    """Keys that are looked up, or made by a function, are not its words; what is not needed touches no state."""
    by_subject = [
        (one.message, one.message.SUBJECT, one.aggregate.named)
        for one in TABLES[service]
        if isinstance(one, Subscription) and one.key is None and one.find is None and one.aggregate.named
        if one.decide is not not_needed
    ]
    assert by_subject
    assert [(message, subject, subject) for message, subject, _ in by_subject] == by_subject
