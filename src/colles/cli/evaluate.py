"""`colles evaluate`: predictions to figures with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colles.cli.options import AsJson, Overwrite, example, print_json, print_rows


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "evaluate",
        epilog=example(
            "colles evaluate out/run/predictions.parquet --catalog catalog.parquet --out out/evaluation",
            "colles evaluate theirs.csv --out out/theirs     (columns y_true, y_score)",
        ),
    )(evaluate)


def evaluate(
    predictions: Annotated[Path, typer.Argument(metavar="PREDICTIONS", help="Table with y_true and y_score.")],
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json.")],
    catalog: Annotated[Path | None, typer.Option(help="Adds subgroups by the catalog's columns.")] = None,
    replicates: Annotated[int, typer.Option(min=100, help="Bootstrap replicates.")] = 2000,
    level: Annotated[float, typer.Option(min=0.51, max=0.999, help="Level of the intervals.")] = 0.95,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Judge scores: thresholds chosen on val, figures on test, an interval on each."""
    from colles.core.files import refuse_existing
    from colles.core.recipe import EvaluateRecipe
    from colles.evaluation.evaluate import evaluate as judge
    from colles.evaluation.predictions import Predictions

    target = out / "evaluation.json"
    if not overwrite:
        refuse_existing(target)
    frame = None
    if catalog is not None:
        from colles.datasets.catalog import Catalog

        frame = Catalog.load(catalog).frame
    recipe = EvaluateRecipe(replicates=replicates, level=level)
    evaluation = judge(Predictions.load(predictions), recipe, catalog_frame=frame)
    evaluation.save(target)
    if as_json:
        print_json(evaluation.model_dump(mode="json"))
        return
    for name, subset in evaluation.subsets.items():
        rows = [[figure, str(estimate), str(estimate.n)] for figure, estimate in subset.figures.items()]
        for point, at in subset.operating_points.items():
            rows += [[f"{figure} at {point}", str(at.figures[figure]), ""] for figure in ("sensitivity", "specificity")]
        print_rows(f"{name}: {subset.n} images, {subset.n_positive} fractured", ["figure", "value", "images"], rows)
    for warning in evaluation.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"All figures: {target}")
