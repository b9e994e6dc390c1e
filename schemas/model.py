"""The two shapes everything in the contract has, a frozen model and a message, and where something does not fit one."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

_set_values, _set_names, _set_extra, _set_private = (
    BaseModel.__dict__[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
"""What a model consists of, set directly: object.__setattr__ looks each up by its name, which takes twice as long."""


class Model(BaseModel):
    """A frozen value. Unknown fields are forbidden here; consumers decode with `extra="ignore"`."""

    # Built when first used: no process uses all of the messages, and building them takes most of its start.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, which takes twice as long: a model here has neither extra nor private fields."""
        if deep:
            return super().model_copy(update=update, deep=True)
        changes, names = update or {}, self.__pydantic_fields_set__
        new = names if names.issuperset(changes) else names | changes.keys()
        return _made(type(self), {**self.__dict__, **changes}, new)

    @classmethod
    def of_valid(cls, **values: Any) -> Self:
        """Of all its fields, valid beyond doubt: a part of the time of validating them, and of pydantic's
        `model_construct`. TypeError: not all of them."""
        names = _names(cls)
        if values.keys() != names:
            raise TypeError(f"{cls.__name__} has the fields {[*cls.__pydantic_fields__]}, not {[*values]}")
        return _made(cls, values, names)

    def __eq__(self, other: object) -> bool:
        """As pydantic's: the same type and the same values, whichever of them were left to their defaults."""
        if type(self) is type(other):
            return self is other or self.__dict__ == other.__dict__
        return super().__eq__(other)


M = TypeVar("M", bound=Model)


def _made(cls: type[M], values: dict[str, Any], names: set[str]) -> M:
    """`names` of the fields may be the set of other models too."""
    made = object.__new__(cls)
    _set_values(made, values)
    _set_names(made, names)
    _set_extra(made, None)
    _set_private(made, None)
    return made


@cache
def _names(cls: type[Model]) -> set[str]:
    """One set for all models of a class: `model_fields_set` is for reading only."""
    return set(cls.__pydantic_fields__)


class Message(Model):
    """What one event says. Its class names its type (also the routing key) and its business key."""

    TYPE: ClassVar[str]
    """`<subject>.<past-tense fact>.v<major>`"""
    SUBJECT: ClassVar[str]
    """Name of the field that identifies what the message is about."""

    @property
    def subject(self) -> str:
        return str(getattr(self, self.SUBJECT))


class Dated(Message):
    """Reference data that holds from an instant on."""

    valid_from: AwareDatetime


def places(error: ValidationError) -> str:
    """The errors of a validation, one a line: where, what. Values are left out: they may be personal."""
    return "\n".join(
        f"{'.'.join(str(part) for part in problem['loc']) or '(event)'}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False, include_context=False)[:50]
    )
