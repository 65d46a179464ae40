"""`colles compare`: models judged on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colles.cli.options import AsJson, Overwrite, example, print_json, print_rows


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command("compare", epilog=example("colles compare a/predictions.parquet b/predictions.parquet --out out"))(
        compare
    )


def compare(
    predictions: Annotated[list[Path], typer.Argument(metavar="PREDICTIONS...", help="Two tables or more.")],
    out: Annotated[Path, typer.Option(help="Folder for comparison.json.")],
    subset: Annotated[str, typer.Option(help="Subset that is compared.")] = "test",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare AUROC pairwise on the images that all tables share, with interval and p."""
    from colles.core.errors import UsageError
    from colles.core.files import refuse_existing, write_json
    from colles.evaluation.compare import compare_predictions
    from colles.evaluation.predictions import Predictions

    target = out / "comparison.json"
    if not overwrite:
        refuse_existing(target)
    if len(predictions) < 2:
        raise UsageError("a comparison needs two tables", repair="Name another predictions table")
    names = [path.stem if path.stem != "predictions" else path.absolute().parent.name for path in predictions]
    tables = {f"{name}" if names.count(name) == 1 else str(path): Predictions.load(path)
              for name, path in zip(names, predictions, strict=True)}  # fmt: skip
    result = compare_predictions(tables, subset=subset)
    write_json(target, result)
    if as_json:
        print_json(result)
        return
    header = ["first", "second", "difference of AUROC", "p (DeLong)"]
    rows = [
        [pair["first"], pair["second"], _interval(pair["difference"]), f"{pair['p_delong']:.3g}"]
        for pair in result["pairs"]
    ]
    print_rows(f"{result['n']} shared images of {subset}", header, rows)


def _interval(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:+.3f} ({estimate['low']:+.3f} to {estimate['high']:+.3f})"
