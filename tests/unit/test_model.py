"""Models copy and compare as pydantic's do; only faster."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from deploy.local import world
from schemas.decision import Request
from schemas.model import Model
from schemas.supplier import Terms
from schemas.timeline import Timeline
from schemas.values import Address

PLACED = next(iter(world.orders(1, 7, at=datetime(2026, 6, 1, tzinfo=UTC))))
ADDRESS: Any = PLACED.ship_to if hasattr(PLACED, "ship_to") else PLACED.address  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", [PLACED, ADDRESS, Timeline()], ids=["message", "value", "generic"])
@pytest.mark.parametrize("deep", [False, True])
def test_copy_is_what_pydantic_makes(model: Model, deep: bool) -> None:
    name = next(iter(type(model).model_fields))
    for update in (None, {}, {name: getattr(model, name)}, {name: "other"}):
        ours = model.model_copy(update=update, deep=deep)
        theirs = BaseModel.model_copy(model, update=update, deep=deep)
        assert type(ours) is type(model)
        assert BaseModel.__eq__(ours, theirs)
        assert ours.model_fields_set == theirs.model_fields_set
        assert ours.model_dump(warnings=False) == theirs.model_dump(warnings=False)


def test_copy_leaves_the_original_alone() -> None:
    before = ADDRESS.model_dump()
    changed = ADDRESS.model_copy(update={"street": "Rua Nova"})
    assert (changed.street, ADDRESS.model_dump()) == ("Rua Nova", before)


def test_same_values_are_equal_whichever_were_left_to_their_defaults() -> None:
    said = Address(**{**ADDRESS.model_dump(), "complement": ""})
    unsaid = Address(**{name: value for name, value in said.model_dump().items() if name != "complement"})
    assert said == unsaid
    assert hash(said) == hash(unsaid)


def test_other_values_or_other_types_are_not_equal() -> None:
    class Street(Model):
        street: str

    class Road(Model):
        street: str

    assert ADDRESS.model_copy(update={"street": "Rua Nova"}) != ADDRESS
    assert Street(street="a") != Road(street="a")
    assert Street(street="a") != {"street": "a"}


def test_generic_models_are_equal_by_values_as_with_pydantic() -> None:
    assert Timeline() == Timeline[Any]()
    assert Request() == Request()


def test_model_of_valid_values_is_as_the_validated_one_and_lacks_no_field() -> None:
    values: dict[str, Any] = {"kind": "prepaid", "days": 0}
    made = Terms.of_valid(**values)
    assert made == Terms(**values)
    assert (made.model_fields_set, made.model_dump_json()) == ({"kind", "days"}, Terms(**values).model_dump_json())
    assert made.model_copy(update={"days": 7}) == Terms(kind="prepaid", days=7)
    with pytest.raises(TypeError, match="days"):
        Terms.of_valid(kind="prepaid")
