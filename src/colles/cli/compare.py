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
    out: Annotated[Path, typer.Option(help="Folder for comparison.json and comparison.md.")],
    subset: Annotated[str, typer.Option(help="Subset that is compared.")] = "test",
    replicates: Annotated[int, typer.Option(min=100, help="Bootstrap replicates.")] = 2000,
    level: Annotated[float, typer.Option(min=0.51, max=0.999, help="Level of the intervals.")] = 0.95,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare models on the images that all tables share: AUROC pairwise, decisions, with intervals and p."""
    from colles.core.errors import UsageError
    from colles.core.files import refuse_existing, write_json, write_text
    from colles.evaluation import comparison_table as tables_of
    from colles.evaluation.compare import compare_predictions
    from colles.evaluation.predictions import Predictions

    target, text = out / "comparison.json", out / "comparison.md"
    if not overwrite:
        refuse_existing(target)
        refuse_existing(text)
    if len({path.absolute() for path in predictions}) < max(2, len(predictions)):
        raise UsageError("a comparison needs two tables or more, each named once", repair="Name another table")
    names = [path.stem if path.stem != "predictions" else path.absolute().parent.name for path in predictions]
    tables = {f"{name}" if names.count(name) == 1 else str(path): Predictions.load(path)
              for name, path in zip(names, predictions, strict=True)}  # fmt: skip
    result = compare_predictions(tables, subset=subset, level=level, replicates=replicates)
    write_json(target, result)
    write_text(text, tables_of.markdown(result))
    if as_json:
        print_json(result)
        return
    typer.echo(tables_of.caption(result))
    for title, table in (("Models", tables_of.model_table), ("Pairs", tables_of.pair_table),
                         ("Decisions", tables_of.decision_table)):  # fmt: skip
        header, rows = table(result)
        if rows:
            print_rows(title, header, rows)
    typer.echo(f"All figures: {target}; the tables: {text}")
