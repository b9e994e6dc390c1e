"""`fleet dead-letters replay|discard|edit`, and the campaigns that they make.

Exit codes: 0 done as ordered (or only planned), 1 something failed, was stopped or is missing, 2 wrong usage,
3 it goes on in the control room without this terminal.
"""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import click
import typer

from services.control_room import console, selection, store
from services.control_room.campaign import edit, errand, view
from services.control_room.campaign.errand import Errand, finish
from services.control_room.campaign.orders import Person, Steering
from services.control_room.campaign.reading import store as campaigns
from services.control_room.campaign.sequence import in_sequence
from services.control_room.console import as_json, out, run, show, stop
from services.control_room.engineer import Actor, Why
from services.control_room.looking.choice import Chosen, choosing, fixed
from services.control_room.servers import reading
from services.control_room.settings import ReaderSettings
from services.control_room.state import WholeLetter
from services.control_room.tables import plain
from shared.settings import read

RATE, INSPECTED = 1000.0, 1000
NOTHING_FAILS: dict[str, Any] = {"inspect": 0, "max_failures": 10}
"""Of a discard there is nothing to rehearse, and nobody says how much of it may fail."""

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Occurrence = Annotated[str, typer.Argument(metavar="ID", help="Its id, or the first 6 characters or more.")]
Occurrences = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Their ids, or how they begin.")]
CampaignId = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Its id, or how it begins.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="Dead letters at most.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Freeze the set and say what would happen; nothing more.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Begin at once, without a dry run.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it until it is over.")]
Patience = Annotated[float, typer.Option("--timeout", min=0, help="Seconds to follow it.")]
Rate = Annotated[float, typer.Option("--rate", min=0, max=100_000, help="Letters a second at most; 0: no limit.")]
MaxFailures = Annotated[
    int,
    typer.Option(
        "--max-failures", min=0, max=1000, help="Per 1,000 letters; one more stops it. In a canary the first one does."
    ),
]
Inspect = Annotated[
    int, typer.Option("--inspect", min=0, max=100_000, help="Of how many the dry run asks what would happen.")
]


def acting(app: typer.Typer) -> None:
    """Adds the commands."""
    replay, discard = choosing(fixed(act, action="replay")), choosing(fixed(act, action="discard", **NOTHING_FAILS))
    app.command("replay", help="Handle dead letters again: canaries first, then the rest, paced.")(replay)
    app.command("discard", help="Skip dead letters for good, and go on with what waits behind them.")(discard)
    app.command("edit")(edit_dead_letter)
    app.command("campaigns")(list_campaigns)
    app.command("watch")(watch)
    for steering, what in (
        ("start", "Begin a campaign that was planned by a dry run."),
        ("pause", "Ask for no more of its letters; those on their way are still answered."),
        ("resume", "Go on, with the canary again."),
        ("stop", "End it for good; letters that were not asked for stay as they are."),
    ):
        app.command(steering, help=what)(_steering(cast(Steering, steering)))


def act(
    action: Literal["replay", "discard"],
    occurrences: Occurrences = None,
    *,
    why: Why,
    actor: Actor,
    chosen: Chosen,
    limit: Limit = 100_000,
    rate: Rate = RATE,
    max_failures: MaxFailures = 10,
    inspect: Inspect = INSPECTED,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Patience = 300.0,
    json: Json = False,
) -> None:
    how = {"rate": rate or None, "max_failures": max_failures, "in_sequence": chosen["order_id"] is not None}
    work = Errand(
        action, Person(actor, why), _words(occurrences, chosen), how, inspect, timeout if wait else None, json
    )
    work.carry_out(_choose(occurrences, chosen, limit), dry_run=dry_run, yes=yes)


def edit_dead_letter(
    occurrence: Occurrence,
    *,
    why: Why,
    actor: Actor,
    file: Annotated[Path | None, typer.Option("--file", help="The edited event.", exists=True, dir_okay=False)] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="A field and its value: data.total=12.90. Repeatable.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Patience = 300.0,
    json: Json = False,
) -> None:
    """Replay one dead letter with its event edited: in $EDITOR, from a file, or field by field."""
    [meant] = run(selection.named([occurrence]))
    known = run(_load(meant))
    if known is None or known.letter is None:
        raise stop(f"there is no such dead letter: {occurrence}")
    original = base64.b64decode(known.letter.body)
    edited = _edited(original, file, assignments or [])
    if edited is None:
        raise stop("nothing was changed")
    _check(known, original, edited)
    if not json:
        out.print(plain(edit.difference(original, edited)))
    work = Errand("replay", Person(actor, why), f"edit of {meant}", {}, 1, timeout if wait else None, json)
    rows = run(selection.load_letters({"occurrences": [meant]}, 1))
    work.carry_out(rows, dry_run=dry_run, yes=yes, edited=edited)


def list_campaigns(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows at most.")] = 50,
    planned: Annotated[bool, typer.Option("--planned", help="Also those that were only planned.")] = False,
    json: Json = False,
) -> None:
    """Campaigns, the latest first."""

    async def load() -> list[Any]:
        async with reading(read(ReaderSettings).database_url) as con:
            return await campaigns.load_campaigns(con, limit, planned)

    found = run(load())
    if json:
        show(as_json([view.as_dict(one) for one in found]))
    else:
        out.print(view.campaigns_table(found, out.width, datetime.now(UTC)))


def watch(campaign: CampaignId, timeout: Patience = 3600.0, json: Json = False) -> None:
    """Follow a campaign until it is over, or waits for a person."""
    meant = _named(campaign)

    async def load() -> tuple[Any, list[Any], list[Any]]:
        async with reading(read(ReaderSettings).database_url) as con:
            known = await campaigns.load_campaign(con, meant)
            return known, await campaigns.load_steps(con, meant), await campaigns.load_failures(con, meant, 20)

    known, turns, failures = run(load())
    if not json:
        out.print(view.campaign_view(known, turns, failures, out.width))
    if json or known.status.is_active:
        finish(meant, timeout if known.status.is_active else 0, json)


def _steering(steering: Steering) -> Any:
    def command(campaign: CampaignId, *, why: Why, actor: Actor, json: Json = False) -> None:
        errand.steer(Person(actor, why), _named(campaign), steering, json)

    return command


def _named(prefix: str) -> str:
    """The campaign that this beginning means. Exit: 1 where it means none or several."""

    async def load() -> list[str]:
        async with reading(read(ReaderSettings).database_url) as con:
            return await campaigns.load_campaign_ids(con, prefix.strip().lower())

    found = run(load())
    if len(found) != 1 and prefix not in found:
        raise stop(f"{prefix} is ambiguous" if found else f"there is no such campaign: {prefix}")
    return prefix if prefix in found else found[0]


def _choose(occurrences: list[str] | None, chosen: Chosen, limit: int) -> list[Any]:
    """The dead letters meant; of an order in the order in which they came."""
    rows = selection.choose(occurrences or [], chosen, limit)
    if len(rows) == limit:
        typer.echo(f"fleet: only {limit} are taken; there may be more", err=True)
    if not chosen.get("order_id"):
        return rows

    async def load() -> list[str]:
        async with reading(read(ReaderSettings).database_url) as con:
            return in_sequence(await campaigns.load_died(con, [row["occurrence"] for row in rows]))

    place = {occurrence: n for n, occurrence in enumerate(run(load()))}
    return sorted(rows, key=lambda row: place[row["occurrence"]])


def _words(occurrences: list[str] | None, chosen: Chosen) -> str:
    named = [f"{name}={value}" for name, value in chosen.items() if value is not None]
    return " ".join([*named, *(occurrences or [])])


def _edited(original: bytes, file: Path | None, assignments: list[str]) -> bytes | None:
    """The event as the engineer wants it; None: as it was."""
    try:
        if assignments:
            return edit.assigned(file.read_bytes() if file is not None else original, assignments)
    except edit.CannotEdit as error:
        raise stop(str(error), code=2) from error
    if file is not None:
        return file.read_bytes()
    text = click.edit(console.indented(original), extension=".json")
    return None if text is None else text.encode()


def _check(known: WholeLetter, original: bytes, edited: bytes) -> None:
    assert known.letter is not None
    if known.letter.kind != "event":
        raise stop("it is a call to a partner, no event; there is nothing to edit", code=2)
    if known.status.is_over:
        raise stop(f"it is {known.status} already")
    try:
        edit.check(original, edited, known.letter.event_type)
    except edit.CannotEdit as error:
        raise stop(f"the edited event does not do:\n{error}", code=2) from error


async def _load(occurrence: str) -> WholeLetter | None:
    async with reading(read(ReaderSettings).database_url) as con:
        return await store.load_dead_letter(con, occurrence)
