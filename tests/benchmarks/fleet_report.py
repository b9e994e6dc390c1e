"""The figures of the fleet for people."""

from typing import Any

from rich.console import Console
from rich.table import Table

AIM = 10.0
PEER_DOES_LESS = (
    "Its steps are the facts that the fleet's services published of the same orders (each saves the order's state) and "
    "the calls that they made (each is made again, by the services' own code, against the same sandbox). It does less: "
    "callbacks of suppliers, carriers and bank are taken as given, so that nobody issues or checks S2 and S1; nothing "
    "is decided, journaled or told to another service."
)


def show(found: dict[str, Any], console: Console | None = None) -> None:
    console = console or Console()
    console.print(
        f"{found['orders_per_second']} orders/s, {found['messages_per_second']:,} messages/s "
        f"({found['messages_per_order']} an order); median of {found['rounds']} rounds of {found['orders']} orders at "
        f"once.\nCPU an order: {found['cpu_ms_per_order']} ms with broker and database, and "
        f"{found['partners_cpu_ms_per_order']} ms of the sandbox partners and this benchmark, on the same machine.",
        highlight=False,
    )
    console.print(_processes(found))
    console.print(_hops(found))
    if "dbos" in found:
        _show_peer(found, console)


def _processes(found: dict[str, Any]) -> Table:
    table = Table("process", title="What an order costs", title_justify="left")
    for name in ("CPU ms/order", "CPU µs/message", "resident MB"):
        table.add_column(name, justify="right")
    for name, row in sorted(found["processes"].items(), key=lambda item: -item[1]["cpu_ms_per_order"]):
        table.add_row(name, *(f"{row[key]:,}" for key in ("cpu_ms_per_order", "cpu_us_per_message", "resident_mb")))
    return table


def _hops(found: dict[str, Any]) -> Table:
    title = f"From published to handled, at half load ({found['half_load_orders_per_second']} orders/s)"
    table = Table("service and message", title=title, title_justify="left")
    for name in ("events", "p50 ms", "p99 ms"):
        table.add_column(name, justify="right")
    for name, row in found["hops"].items():
        table.add_row(name, *(f"{row[key]:,}" for key in ("events", "p50_ms", "p99_ms")))
    return table


def _show_peer(found: dict[str, Any], console: Console) -> None:
    peer, ratio = found["dbos"], found["ratio_to_dbos"]
    tried = ", ".join(f"{concurrency}: {rate}/s" for concurrency, rate in peer["tuning"].items())
    console.print(
        f"DBOS with the same steps ({peer['steps_per_order']} an order, {peer['calls_per_order']} of them calls): "
        f"{peer['orders_per_second']} orders/s, {peer['cpu_ms_per_order']} ms of CPU an order in its process; the best "
        f"of so many workflows at once: {tried}.\n"
        f"Fleet ÷ DBOS: [{'green' if ratio >= AIM else 'red'}]{ratio}[/] (aim ≥ {AIM:g}).\n{PEER_DOES_LESS}",
        highlight=False,
    )
