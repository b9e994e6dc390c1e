"""A message as it is sent: fixed once, so that sending it again sends the same."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One AMQP message. `message_id` is unique per message: the broker's returns are told apart by it."""

    exchange: str
    routing_key: str
    content_type: str
    body: bytes
    message_id: str


class NotConfirmed(Exception):
    """The broker nacked or returned a message, or did not confirm it in time: it may or may not have it."""
