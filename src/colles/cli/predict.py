"""`colles predict`: a bundle's answers on images, without torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from colles.cli.options import Overwrite, example


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "predict",
        epilog=example(
            "colles predict image.jpg --bundle out/demo/bundle --out predictions.csv",
            "colles predict folder/ 'more/*.png' --bundle out/demo/bundle --out predictions.parquet --overlays maps",
        ),
    )(predict)


def predict(
    images: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or patterns.")],
    bundle: Annotated[str, typer.Option(help="Bundle folder, or the name of one in models/.")],
    out: Annotated[Path, typer.Option(help="Table to write: .csv, .parquet or .jsonl.")],
    overlays: Annotated[Path | None, typer.Option(help="Folder for heat maps over the images.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=256, help="Images computed together.")] = 8,
    threads: Annotated[int | None, typer.Option(min=1, help="Computing threads; one a core by default.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Judge images: a row each in input order; an unreadable file is a row too."""
    from colles.core.errors import MissingInputError
    from colles.core.files import refuse_existing
    from colles.core.progress import track
    from colles.serving.bundle import load_bundle
    from colles.serving.inputs import list_images
    from colles.serving.output import save_predictions
    from colles.serving.predictor import Predictor

    if not overwrite:
        refuse_existing(out)
    loaded = load_bundle(bundle)
    paths = list_images(images)
    predictor = Predictor(loaded, threads=threads)
    answers = predictor.predict_paths(paths, batch=batch, overlays=overlays)
    counts = save_predictions(track(answers, "predict", total=len(paths)), out)
    summary = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    print(f"{sum(counts.values())} images: {summary}; table in {out}", file=sys.stdout)
    if not counts.get("ok") and not counts.get("refused"):
        raise MissingInputError("nothing could be read", path=out, repair="The reasons are in the table")
