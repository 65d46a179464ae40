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
    """Compare models on the images that all tables share. AUROC pairwise, decisions, with intervals and p."""
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
    _print("Models", tables_of.model_table(result), ("Model", "AUROC", "Average precision"))
    _print("Pairs", tables_of.pair_table(result), ("Pair", "Difference of AUROC", "p (DeLong)", "p (Holm)"))
    decisions = tables_of.decision_table(result, points=("rule_out", "rule_in"))
    _print("Decisions", decisions, ("Pair", "At", "Figure", "Difference", "p (Holm)"))
    typer.echo(f"All figures: {target}; every table, ready for a paper: {text}")


def _print(title: str, table: tuple[list[str], list[list[str]]], columns: tuple[str, ...]) -> None:
    """Print the columns that fit a terminal; a table without rows is left out."""
    header, rows = table
    shown = [header.index(name) for name in columns]
    if rows:
        print_rows(title, list(columns), [[row[place] for place in shown] for row in rows])
