"""Whatever is said, in any order and any number of times: no order line is bought twice, and nothing is forgotten."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.decision import NotYet
from services.po_dispatch.decide.deadlines import pending
from services.po_dispatch.decide.reminders import DEADLINE, RETRY
from tests.unit.po_dispatch import builders as b
from tests.unit.po_dispatch.world import Said, World, order

STEPS = 40
MOST = 400
"""Steps within which a world comes to rest."""


def world(prepaid: bool, has_erp: bool, spare: bool) -> World:
    """Lines A and B at `farol`; `spare`: also elsewhere, at another that is asked second."""
    farol = b.supplier_changed("farol", priority=1, **({"terms": b.PREPAID} if prepaid else {}))
    norte = b.supplier_changed("norte", priority=2)
    offers = [b.offer_changed("farol", "A"), b.offer_changed("farol", "B")]
    if spare:
        offers += [b.offer_changed("norte", "A"), b.offer_changed("norte", "B")]
    return World(b.sourcing(*offers, suppliers=[farol, norte], has_erp=has_erp))


def step(one: World, data: st.DataObject, said: list[Said]) -> None:
    """One message: a new one, one that waits, one said before, or the next reminder."""
    one.tick()
    match data.draw(st.sampled_from(["new", "waiting", "waiting", "again", "time"])):
        case "waiting" if one.waiting:
            chosen: Said | None = one.waiting.pop(data.draw(st.integers(0, len(one.waiting) - 1)))
        case "again" if said:
            chosen = data.draw(st.sampled_from(said))
        case "time":
            chosen = one.pass_time()
        case _:
            chosen = Said(f"said-{one.steps}", data.draw(st.sampled_from(list(one.sayable()))))
    if chosen is not None:
        said.append(chosen)
        one.handle(chosen)


def come_to_rest(one: World) -> None:
    """Everything that waits is handled."""
    for _ in range(MOST):
        if not one.waiting:
            return
        one.handle(one.waiting.pop(0))
    raise AssertionError(f"does not come to rest: {one.waiting[:3]}")


def check_nothing_is_forgotten(one: World) -> None:
    """What is open waits or is stopped; what is waited for has its reminder."""
    fulfilment = one.fulfilment
    assert fulfilment is not None
    if fulfilment.order is not None and fulfilment.stop is None and fulfilment.open_lines:
        assert fulfilment.waiting
        assert RETRY in one.reminders
    due = pending(fulfilment)
    assert one.reminders.get(DEADLINE) == (due[0].due if due else None)
    if fulfilment.stop is not None and fulfilment.stop.stopped_at is not None:
        assert not fulfilment.living


@given(data=st.data(), prepaid=st.booleans(), has_erp=st.booleans(), spare=st.booleans(), ready_at=st.integers(0, 3))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_order_of_messages_buys_each_line_once(
    data: st.DataObject, prepaid: bool, has_erp: bool, spare: bool, ready_at: int
) -> None:
    one = world(prepaid, has_erp, spare)
    said: list[Said] = []
    for n in range(data.draw(st.integers(1, STEPS))):
        if n == ready_at:
            said.append(Said("ready", order()))
            assert not isinstance(one.handle(said[-1]), NotYet)
        step(one, data, said)
        if one.fulfilment is not None:
            one.check(order())
    come_to_rest(one)
    if one.fulfilment is not None:
        one.check(order())
        check_nothing_is_forgotten(one)
