"""`colles report`: run folders to one HTML file, with model card and filled-in checklists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colles.cli.options import Overwrite, example


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "report",
        epilog=example(
            "colles report out/demo --out out/demo/report.html --overwrite",
            "colles report out/demo --out paper/report.html --checklist claim,tripod-ai,stard-ai",
            "colles report out/theirs --out theirs.html  # a folder of `colles evaluate`",
        ),
    )(report)


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of `colles run`, `colles train` or `colles evaluate`."),
    ],
    out: Annotated[
        Path, typer.Option(help="HTML file to write, with results/ beside it; neither is replaced unasked.")
    ],
    checklist: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,NAME", help="Fill in reporting checklists: claim, tripod-ai, stard-ai."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the report again from a run's files. No model is called."""
    from colles.core.errors import UsageError
    from colles.core.files import refuse_existing
    from colles.flow.report import write_report_and_card

    if out.suffix.lower() not in (".html", ".htm"):
        repair = "Let the name end in .html; a browser can print it to a PDF"
        raise UsageError("the report is HTML", path=out, field="--out", repair=repair)
    if not overwrite:
        refuse_existing(out)
        refuse_existing(out.parent / "results", "Choose an --out in another folder, or add --overwrite")
    names = [name.strip().lower() for text in checklist or () for name in text.split(",") if name.strip()]
    typer.echo(f"Report: {write_report_and_card(runs, out, checklists=names)}")
