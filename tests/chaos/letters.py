"""Dead letters of a run: is there one for each event that upstream got wrong, and was each mended once?"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from asyncpg import Connection


@dataclass(frozen=True, slots=True)
class Letter:
    """As control_room knows it."""

    occurrence: str
    event_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Mending:
    """A campaign as control_room knows it. `edits`: how often it recorded what was changed."""

    status: str
    resolved: int
    failed: int
    edits: int


MENDED = Mending("done", 1, 0, 1)


def wrong_letters(
    letters: Sequence[Letter], mendings: Mapping[str, Mending], wrong: Collection[str], ordered: Mapping[str, str]
) -> list[str]:
    """What is not as it must be. `wrong`: the event ids; `ordered`: campaigns by occurrence."""
    counts = Counter(letter.event_id for letter in letters)
    problems = [f"event {id}: {counts[id]} dead letters, not 1" for id in sorted(wrong) if counts[id] != 1]
    problems += [f"dead letter of {id}, with which nothing was wrong" for id in counts if id not in wrong]
    for letter in letters:
        if letter.status != "resolved":
            problems.append(f"dead letter {letter.occurrence} is {letter.status}")
        mending = mendings.get(ordered.get(letter.occurrence, ""))
        if mending != MENDED:
            problems.append(f"dead letter {letter.occurrence}: {mending or 'nothing'}, not {MENDED}")
    return problems + [f"campaign {id}, which nobody ordered" for id in mendings if id not in ordered.values()]


async def load_letters(con: Connection) -> list[Letter]:
    rows = await con.fetch(
        "select key, coalesce(event_id, ''), status from control_room.dead_letter "
        "left join control_room.dead_letter_original on occurrence = key"
    )
    return [Letter(*row.values()) for row in rows]


async def load_mendings(con: Connection) -> dict[str, Mending]:
    rows = await con.fetch(
        "select key, status, coalesce((body ->> 'resolved')::int, 0), coalesce((body ->> 'failed')::int, 0), "
        "(select count(*)::int from control_room.replay_edit e where e.campaign = key) "
        "from control_room.replay_campaign"
    )
    return {key: Mending(*rest) for key, *rest in rows}


async def load_unmended(con: Connection) -> int:
    """Dead letters and campaigns that are not over."""
    return int(
        await con.fetchval(
            "select (select count(*) from control_room.dead_letter where status <> 'resolved') "
            "+ (select count(*) from control_room.replay_campaign where status <> 'done')"
        )
    )
