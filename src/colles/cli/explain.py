"""`colles explain`: heat maps over radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colles.cli.options import AsJson, Overwrite, example, print_json


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "explain",
        epilog=example("colles explain out/demo/bundle image.jpg --method gradcam --method input_gradient --out maps"),
    )(explain)


def explain(
    model: Annotated[Path, typer.Argument(metavar="BUNDLE_OR_RUN", help="A bundle or a run folder.")],
    images: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or patterns.")],
    out: Annotated[Path, typer.Option(help="Folder for overlays, maps and explanations.json.")],
    method: Annotated[list[str] | None, typer.Option(help="gradcam, input_gradient; may be repeated.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Show where a model looks."""
    from colles.core.extras import require
    from colles.core.files import refuse_existing
    from colles.serving.inputs import list_images

    if not overwrite:
        refuse_existing(out)
    paths = [Path(path) for path in list_images(images)]
    require("torch", "train")
    from colles.learning.explain import explain_images

    entries = explain_images(model, paths, method or ["gradcam"], out)
    if as_json:
        print_json(entries)
    else:
        typer.echo(f"{len(entries)} heat maps in {out}; where each peaks is in {out / 'explanations.json'}")
