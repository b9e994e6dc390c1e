"""The two shapes everything in the contract has, a frozen model and a message, and where something does not fit one."""

from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError


class Model(BaseModel):
    """A frozen value. Unknown fields are forbidden here; consumers decode with `extra="ignore"`."""

    # Built when first used: no process uses all of the messages, and building them takes most of its start.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


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
