"""Values at the edge of what databases, documents and sums can take."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from deploy.local import world
from schemas.payment import PaymentApproved
from schemas.purchase_order import PoLine
from schemas.supplier import OfferChanged
from tests.unit.order_intake.builders import line, payment_approved


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_instant_that_the_calendar_of_utc_has_not_is_refused(time: str) -> None:
    with pytest.raises(ValidationError, match="approved_at"):
        payment_approved(approved_at=time)


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-11-22T00:00:00-03:00"])
def test_instant_of_the_calendar_is_taken(time: str) -> None:
    assert PaymentApproved.model_validate_json(payment_approved(approved_at=time).model_dump_json()).approved_at


def offer(cost: str) -> OfferChanged:
    return OfferChanged.model_validate(world.offers()[0].model_dump() | {"cost": cost})


def test_as_many_as_a_line_may_have_of_the_dearest_offer_can_be_written() -> None:
    cost = offer("99999999.99").cost
    most = line(quantity=100_000) | {"unit_cost": cost, "total": str((100_000 * cost).quantize(Decimal("0.01")))}
    assert PoLine.model_validate(most).total == 100_000 * cost
    with pytest.raises(ValidationError, match="quantity"):
        PoLine.model_validate(most | {"quantity": 100_001})


def test_offer_whose_line_nobody_could_write_is_refused() -> None:
    with pytest.raises(ValidationError, match="costs less than"):
        offer("100000000")
