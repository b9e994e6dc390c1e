"""The machine of a PO: every transition of the table is reached by real messages, and no other one ever."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from schemas.decision import NotYet
from schemas.supplier import Terms
from services.po_dispatch.machine import TRANSITIONS, ForbiddenTransition, PoStatus
from services.po_dispatch.state import Fulfilment
from tests.unit.po_dispatch import builders as b
from tests.unit.po_dispatch.world import Said, World, order

Step = tuple[PoStatus, PoStatus]


def worlds() -> Iterator[World]:
    """Two POs, of which the first is looked at; its supplier is paid later, or in advance. Bought nowhere else."""
    for terms in (b.PREPAID, Terms()):
        farol = b.supplier_changed("farol", terms=terms)
        yield World(b.sourcing(b.offer_changed("farol", "A"), b.offer_changed("norte", "B"), suppliers=[farol]))


def statuses(fulfilment: Fulfilment | None) -> dict[str, PoStatus]:
    return {po.po_id: po.status for po in fulfilment.purchase_orders} if fulfilment else {}


def shape(world: World) -> tuple[object, ...]:
    """What may make a difference to what can follow; worlds of one shape are looked at once."""
    assert world.fulfilment is not None
    po, other = world.fulfilment.purchase_orders[:2]
    return (
        other.void is None,
        po.status,
        po.was_heard_of,
        po.sent_at is None,
        po.confirmed_at is None,
        (po.handing_over, po.handed_over_at is None, po.invoice_key is None),
        (len(po.shipments), po.is_prepaid),
        po.cancellation is not None and po.cancellation.refused_at is not None,
        (po.is_lost, po.was_given_up),
        world.fulfilment.stop is not None,
    )


def after(world: World, step: object) -> World | None:
    """The world after one more message; None where it cannot be handled now."""
    copied = world.copy()
    copied.tick()
    if isinstance(step, int):
        said: Said | None = copied.waiting.pop(step)
    else:
        said = copied.pass_time() if step is None else Said(f"said-{copied.steps}", step)
    if said is None or isinstance(copied.handle(said), NotYet):
        return None
    return copied


def reached() -> set[Step]:
    """Every transition that the first PO of an order ever makes."""
    found: set[Step] = set()
    for begun in worlds():
        begun.handle(Said("ready", order()))
        begun.handle(begun.waiting.pop())  # the second PO is with its supplier
        layer, seen = [begun], {shape(begun)}
        while layer:
            following: list[World] = []
            for world in layer:
                for step in (*range(len(world.waiting)), *world.sayable(of=1), None):
                    later = after(world, step)
                    if later is None:
                        continue
                    before, now = statuses(world.fulfilment), statuses(later.fulfilment)
                    found |= {(before[po], now[po]) for po in before if before[po] is not now[po]}
                    if shape(later) not in seen:
                        seen.add(shape(later))
                        following.append(later)
            layer = following
    return found


def test_every_transition_of_the_table_is_reached_and_no_other() -> None:
    allowed = {(old, new) for old, news in TRANSITIONS.items() for new in news}
    found = reached()
    assert sorted(found - allowed) == [], "taken, though the table does not have it"
    assert [f"{old}-{new}" for old, new in sorted(allowed - found)] == [], "in the table, but no messages lead to it"


@pytest.mark.parametrize("end", [PoStatus.CANCELLED, PoStatus.REFUSED])
def test_void_is_the_end(end: PoStatus) -> None:
    assert TRANSITIONS[end] == frozenset()


def test_forbidden_step_raises() -> None:
    before = b.created()
    po = before.purchase_orders[0]
    void = before.with_po(po.with_void("silent", b.NOW))
    with pytest.raises(ForbiddenTransition):
        void.with_po(po)


def test_every_status_has_its_row() -> None:
    assert set(TRANSITIONS) == set(PoStatus)
    assert all(old not in news for old, news in TRANSITIONS.items())
    assert all(a != c for a, c in pairwise(PoStatus))
