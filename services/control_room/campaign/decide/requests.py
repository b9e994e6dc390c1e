"""PURE: what a campaign asks of services about letters, and about which letters there is nothing to ask."""

import base64
from collections.abc import Iterable, Iterator, Sequence

from schemas.replay import ReplayCampaignOrdered
from schemas.runtime import AskedLetter, DeadLetterBatchRequested
from services.control_room.campaign import edit, pace
from services.control_room.campaign.state import Letter

BROUGHT = 1_000_000
"""Characters of brought bodies in one request, in base64; one larger than that goes alone."""


def no_use(letter: Letter, action: str) -> str | None:
    """Why a letter is not asked for; None where it is."""
    if letter.service is None:
        return "the ledger has no such dead letter"
    if letter.settled is not None:
        return letter.settled
    if action == "replay" and letter.edited is not None:
        if letter.kind != "event" or letter.original is None:
            return "it cannot be edited: it is no event, or too large"
        try:
            edit.check(base64.b64decode(letter.original), base64.b64decode(letter.edited), letter.event_type)
        except edit.CannotEdit as error:
            return f"the edited event does not do: {error}"
    if action == "replay" and letter.written_here and letter.original is None and letter.edited is None:
        return "its bytes are too many for a replay; export it and publish it again"
    return None


def requests(order: ReplayCampaignOrdered, letters: Sequence[Letter]) -> list[DeadLetterBatchRequested]:
    """To each service about its letters, in order."""
    return [
        DeadLetterBatchRequested.model_construct(
            service=service, campaign_id=order.campaign_id, action=order.action, letters=tuple(some)
        )
        for service, group in by_service(letters)
        for some in parts([asked_letter(letter) for letter in group], pace.LEAST)
    ]


def asked_letter(letter: Letter, *, named: bool = False) -> AskedLetter:
    """What the broker dead-lettered over a service's head, and what was edited, brings its bytes along. `named`: with
    the event's source and id, for who asks what became of it."""
    return AskedLetter.of_valid(
        place=letter.place,
        occurrence=letter.occurrence,
        event_source=letter.event_source if named else None,
        event_id=letter.event_id if named else None,
        body=letter.edited or (letter.original if letter.written_here else None),
    )


def by_service(letters: Iterable[Letter]) -> list[tuple[str, list[Letter]]]:
    groups: dict[str, list[Letter]] = {}
    for letter in letters:
        groups.setdefault(letter.service or "", []).append(letter)
    return list(groups.items())


def parts(letters: Sequence[AskedLetter], size: int) -> Iterator[list[AskedLetter]]:
    """Of at most so many letters, and of bodies that one message carries."""
    part: list[AskedLetter] = []
    brought = 0
    for letter in letters:
        more = len(letter.body or "")
        if part and (len(part) == size or brought + more > BROUGHT):
            yield part
            part, brought = [], 0
        part.append(letter)
        brought += more
    if part:
        yield part
