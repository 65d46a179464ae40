"""`colles report`: run folders to one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colles.cli.options import Overwrite, example


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command("report", epilog=example("colles report out/demo --out out/demo/report.html --overwrite"))(report)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of `colles run` or `colles train`.")],
    out: Annotated[Path, typer.Option(help="HTML file to write; results/ is made beside it.")],
    overwrite: Overwrite = False,
) -> None:
    """Write the report again from a run's files; no model is called."""
    from colles.core.files import refuse_existing
    from colles.reporting.report import write_report

    if not overwrite:
        refuse_existing(out)
    typer.echo(f"Report: {write_report(runs, out)}")
