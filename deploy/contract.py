"""`fleet schemas export|check`: freeze the contract, and see that the code still keeps to it."""

from typing import Annotated

import typer

from deploy.console import fail, failing_clearly, out
from schemas import export as contract

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def export(
    force: Annotated[
        bool, typer.Option("--force", help="Rewrite published schemas too: only while nobody uses them yet.")
    ] = False,
) -> None:
    """Write new schemas and the AsyncAPI document to schemas/published."""
    with failing_clearly(contract.SchemaChanged):
        written = contract.export(force=force)
    for path in written:
        out.print(f"wrote {path}")
    out.print(f"{len(written)} written" if written else "nothing to write")


@app.command()
def check() -> None:
    """Fail when a published schema changed, an example does not validate, or the documents are stale."""
    if problems := contract.check():
        fail("\n".join(problems))
    out.print("the published contract, its examples and its documents agree with the code")
