"""Reads what publishers may write and pamqp will not: the broker passes any bytes on, and hands them out again.

AMQP says that short strings are UTF-8, and RabbitMQ does not check it. pamqp raises, which ends the connection: one
such message, and nobody who gets it ever comes past it. Here it is read as far as it can be, and is refused later.
"""

from collections.abc import Callable
from typing import Any

from pamqp import decode

Decoder = Callable[[bytes], tuple[int, Any]]

UNREADABLE = "unreadable"
"""The only header of a message whose headers cannot be read; it says why."""


def read_whatever_comes() -> None:
    """Makes pamqp read every frame of this process, as often as one likes."""
    decode.METHODS |= {"shortstr": short_string, "timestamp": timestamp, "table": headers}


def short_string(value: bytes) -> tuple[int, str]:
    """Of bytes that are no UTF-8, each is replaced.

    >>> short_string(b"\\x02a\\xffrest")
    (3, 'a\ufffd')
    """
    end = 1 + value[0]
    return end, value[1:end].decode(errors="replace")


def timestamp(value: bytes) -> tuple[int, Any]:
    """None for a time that is beyond the calendar, e.g. in microseconds."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, None


def headers(value: bytes) -> tuple[int, dict[str, Any]]:
    """The table; where it cannot be read, one that says so in its place."""
    try:
        return decode.field_table(value)
    except (ValueError, ArithmeticError, OSError, LookupError, RecursionError) as error:
        return 4 + int.from_bytes(value[:4]), {UNREADABLE: f"{type(error).__name__}: {error}"}
