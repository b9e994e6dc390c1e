"""The engineer: mends what upstream got wrong, one dead letter at a time, while everything breaks.

Each letter is edited and replayed by one order, which is published until it is confirmed, and never given again: that
it is carried out is the fleet's affair.
"""

import asyncio
from collections.abc import Iterable, Mapping

from services.control_room.campaign import orders
from services.control_room.campaign.orders import Person
from shared.broker.outgoing import NotConfirmed
from shared.broker.publisher import Publisher
from tests.chaos.letters import Letter
from tests.chaos.upstream import RETRY_SECONDS

PERSON = Person("ana", "upstream wrote the amount in words")


class Engineer:
    """`right`: what upstream should have said, by event id. `campaigns`: what was ordered, by occurrence."""

    def __init__(self, publisher: Publisher, right: Mapping[str, bytes]) -> None:
        self._publisher = publisher
        self._right = right
        self.campaigns: dict[str, str] = {}

    async def mend(self, letters: Iterable[Letter]) -> None:
        """Orders what is to be done about each letter for which nothing is ordered yet."""
        for letter in letters:
            if letter.status == "open" and letter.occurrence not in self.campaigns and letter.event_id in self._right:
                await self._replay(letter)

    async def _replay(self, letter: Letter) -> None:
        order = orders.ordered(PERSON, "replay", [letter.occurrence], letter.occurrence, starts=True)
        parts = orders.listed(order, [letter.occurrence], self._right[letter.event_id])
        messages = orders.messages(PERSON, [order, *parts])
        self.campaigns[letter.occurrence] = order.campaign_id
        while True:
            try:
                await self._publisher.publish(messages)
                return
            except NotConfirmed:
                await asyncio.sleep(RETRY_SECONDS)
