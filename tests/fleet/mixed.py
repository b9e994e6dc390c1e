"""`python -m tests.fleet.mixed`: the mixed scenario again and again, at last with every service killed in the middle.

Exit code 0 only if every order of every run ended exactly as expected.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.demo import Meanwhile, Progress, run
from deploy.local.fleet import Fleet
from deploy.local.stack import STACKS
from deploy.local.summary import Summary
from schemas.catalogue import GATEWAY, SERVICES
from tests.fleet.moves import Move, unseen
from tests.integration.worker.bench import until

VICTIMS = (*SERVICES, GATEWAY)
BETWEEN = 100
"""Messages that flow between a service's return and the next kill."""


async def kill_all(fleet: Fleet, progress: Progress) -> None:
    """One after the other, each while messages flow; the next when the last one has been started again."""
    for number, name in enumerate(VICTIMS):
        start = progress.messages
        await until(lambda s=start: progress.messages > s + BETWEEN, 120)
        fleet.kill(name)
        await until(lambda n=number: sum(fleet.restarts.values()) > n, 30)


async def play(orders: int, seed: int, folder: Path, *, kills: bool) -> tuple[Summary, list[str]]:
    """One run, and what is wrong with it."""
    meanwhile: Meanwhile | None = kill_all if kills else None
    summary = await run(orders, seed, folder, lambda progress: None, scenario="mixed", meanwhile=meanwhile)
    wrong = [*summary.problems]
    if kills and summary.restarts != dict.fromkeys(VICTIMS, 1):
        wrong.append(f"not every kill took effect once: {summary.restarts}")
    if not summary.ok:
        wrong.append(
            f"{summary.completed} of {summary.orders} orders completed, {summary.dead_letters} dead letters, "
            f"{summary.unrouted} unrouted, ledger {'balanced' if summary.ledger_balanced else 'NOT balanced'}"
        )
    return summary, wrong


def main(
    orders: Annotated[int, typer.Option(min=1, help="Of each run; the cases take turns.")] = 500,
    runs: Annotated[int, typer.Option(min=0, help="In which nothing is killed.")] = 3,
    kills: Annotated[int, typer.Option(min=0, help="After them, with every service killed once in the middle.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the first run; each has the next one.")] = 1,
    folder: Annotated[Path, typer.Option(help="Of the servers and their logs.")] = STACKS / "mixed",
) -> None:
    """Play the mixed scenario several times; each order must end exactly as expected."""
    seen: set[Move] = set()
    for number in range(runs + kills):
        killed = number >= runs
        summary, wrong = asyncio.run(play(orders, seed + number, folder, kills=killed))
        typer.echo(
            f"seed {seed + number}, {orders} orders{', every service killed once' if killed else ''}: "
            f"{'FAILED' if wrong else 'exact'} in {summary.seconds:.0f} s, {summary.messages:,} messages"
        )
        seen |= {*summary.moves}
        if wrong:
            typer.echo("\n".join(f"  {line}" for line in wrong), err=True)
            raise typer.Exit(1)
    left = sorted(f"{before} → {after}" for before, after in unseen(seen))
    typer.echo(f"moves of the status table that no order made: {', '.join(left) or 'none'}")


if __name__ == "__main__":
    typer.run(main)
