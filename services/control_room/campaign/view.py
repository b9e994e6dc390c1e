"""What is shown of campaigns: a table of them, one while it runs, and what a dry run found."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from services.control_room.campaign.state import Campaign, Status
from services.control_room.tables import SHORT_ID, Column, Row, count, line, moment, table

COLOURS = {
    Status.RUNNING: "yellow",
    Status.PAUSED: "yellow",
    Status.FAILING: "red",
    Status.DONE: "green",
    Status.STOPPED: "dim",
}
CAMPAIGNS = (
    Column("id", 0),
    Column("status", 1),
    Column("action", 4),
    Column("letters", 2, justify="right"),
    Column("resolved", 2, justify="right"),
    Column("failed", 2, justify="right"),
    Column("by", 5, least=8),
    Column("ordered (UTC)", 6),
    Column("why", 3, least=16),
    Column("chosen by", 7, least=12),
)
FINDINGS = (Column("letters", 0, justify="right"), Column("finding", 1), Column("e.g.", 2, least=20))
DETAILS = (Column("id", 0), Column("finding", 1), Column("detail", 2, least=20))
TURNS = (
    Column("at (UTC)", 0),
    Column("turn", 1),
    Column("by", 2, least=6),
    Column("why", 3, least=10),
    Column("what", 4, least=10),
)
SHOWN = 20


def campaigns_table(campaigns: Sequence[Campaign], width: int, now: datetime) -> RenderableType:
    cells = [
        [
            line(one.campaign_id[:SHORT_ID]),
            status_of(one),
            line(order.action),
            line(order.size),
            line(one.resolved),
            Text(str(one.failed), style="red" if one.failed else ""),
            line(order.actor),
            line(moment(order.ordered_at, now)),
            line(order.reason),
            line(order.chosen),
        ]
        for one in campaigns
        if (order := one.ordered) is not None
    ]
    return table(f"{count(len(cells), 'campaign')}, the latest first", CAMPAIGNS, cells, width)


def status_of(campaign: Campaign) -> Text:
    return Text(campaign.status, style=COLOURS.get(campaign.status, ""))


def summary(campaign: Campaign) -> str:
    """One line: how far it is."""
    size = campaign.ordered.size if campaign.ordered is not None else 0
    parts = [f"{campaign.resolved} resolved", f"{campaign.failed} failed"]
    parts += [f"{campaign.skipped} with nothing to do"] if campaign.skipped else []
    left = size - campaign.resolved - campaign.failed - campaign.skipped
    parts += [f"{left} to go"] if left else []
    return f"{campaign.status}: {', '.join(parts)} of {size}"


def findings_view(campaign: Campaign, findings: Sequence[Row], width: int) -> RenderableType:
    """What services say that a replay would come to: counted, and where they are few, one by one."""
    examples = {row["finding"]: last_line(row["detail"]) for row in reversed(findings)}
    cells = [
        [line(number), line(words(name)), line(examples.get(name, ""))]
        for name, number in sorted(campaign.findings.items(), key=lambda one: -one[1])
    ]
    parts: list[RenderableType] = [table("What a replay would do, as things are now", FINDINGS, cells, width)]
    if 0 < len(findings) <= SHOWN:
        rows = [
            [line(r["occurrence"][:SHORT_ID]), line(words(r["finding"])), line(last_line(r["detail"]))]
            for r in findings
        ]
        parts.append(table("One by one", DETAILS, rows, width))
    size = campaign.ordered.size if campaign.ordered is not None else 0
    if campaign.inspected < size:
        parts.append(line(f"{size - campaign.inspected} of {size} were not asked about; --inspect asks for more"))
    return Group(*parts)


def words(finding: str) -> str:
    return finding.replace("_", " ")


def last_line(text: str) -> str:
    """Of a traceback the last line says most."""
    return text.strip().rpartition("\n")[2]


def campaign_view(campaign: Campaign, turns: Sequence[Row], failures: Sequence[Row], width: int) -> RenderableType:
    """One campaign: where it is, its turns, what failed."""
    now = datetime.now(UTC)
    cells = [
        [line(moment(t["at"], now)), line(t["step"]), line(t["actor"]), line(t["reason"]), line(t["outcome"])]
        for t in turns
    ]
    parts: list[RenderableType] = [
        line(f"campaign {campaign.campaign_id}"),
        line(summary(campaign)),
        line(pace_of(campaign)),
        table("Turns", TURNS, cells, width),
    ]
    if failures:
        rows = [[line(f["occurrence"][:SHORT_ID]), line("failed"), line(last_line(f["error"]))] for f in failures]
        parts.append(table("What failed", DETAILS, rows, width))
    return Group(*(part for part in parts))


def pace_of(campaign: Campaign) -> str:
    """Step and letters on their way."""
    if campaign.status is Status.PLANNED:
        return "its set is frozen; nothing was replayed yet"
    step = f"step {campaign.step} of {campaign.step_size}" if campaign.step_size else "not begun"
    if campaign.step_size and campaign.step_end >= campaign.asked and campaign.step <= 3:
        step = f"canary of {campaign.step_size}"
    last = f", last answer {campaign.answered_at:%H:%M:%S} UTC" if campaign.answered_at is not None else ""
    return f"{step}, {len(campaign.open)} asked for and not answered{last}"


def as_dict(campaign: Campaign) -> dict[str, Any]:
    """For `--json`: counters, not the sets behind them."""
    shown = campaign.model_dump(mode="json", exclude={"ordered", "open", "parts", "steered", "inspections", "called"})
    ordered = campaign.ordered.model_dump(mode="json") if campaign.ordered is not None else {}
    asked = {name: value for name, value in ordered.items() if name != "campaign_id"}
    return {**shown, **asked, "unanswered": len(campaign.open)}


def rows_as_dicts(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]
