"""`colles evaluate`: predictions to figures with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli.options import AsJson, Overrides, Overwrite, example, print_json, print_rows

if TYPE_CHECKING:
    from colles.core.records import Estimate
    from colles.evaluation.results import Evaluation, SubsetResult

_AT_POINTS = ("sensitivity", "specificity", "ppv", "npv")


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "evaluate",
        epilog=example(
            "colles evaluate out/run/predictions.parquet --catalog catalog.parquet --out out/evaluation",
            "colles evaluate theirs.csv --out out/theirs  # columns y_true, y_score",
            "colles evaluate predictions.parquet --out out/e --calibration isotonic --prevalence 0.1 --cost-ratio 10",
        ),
    )(evaluate)


def evaluate(
    predictions: Annotated[Path, typer.Argument(metavar="PREDICTIONS", help="Table with y_true and y_score.")],
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json.")],
    catalog: Annotated[Path | None, typer.Option(help="Adds subgroups by the catalog's columns.")] = None,
    perturbed: Annotated[
        Path | None, typer.Option(help="Scores of the same images made worse: image_id, condition, y_true, y_score.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=100, help="Bootstrap replicates.")] = 2000,
    level: Annotated[float, typer.Option(min=0.51, max=0.999, help="Level of the intervals.")] = 0.95,
    calibration: Annotated[
        str, typer.Option(help="How scores become probabilities: platt, temperature, isotonic or none.")
    ] = "platt",
    prevalence: Annotated[
        float | None, typer.Option(help="Share of fractures where the model will work; moves probabilities.")
    ] = None,
    cost_ratio: Annotated[
        float | None, typer.Option(help="Adds the point `cost`: one missed fracture is as bad as so many false alarms.")
    ] = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Judge scores, with an interval on every figure. Thresholds are chosen on val, figures are of test."""
    from colles.core.files import refuse_existing
    from colles.core.recipe_text import recipe_from
    from colles.evaluation.evaluate import evaluate as judge
    from colles.evaluation.predictions import Predictions

    target = out / "evaluation.json"
    if not overwrite:
        refuse_existing(target)
    settings = {"replicates": replicates, "level": level, "calibration": calibration}
    settings |= {"prevalence": prevalence, "cost_ratio": cost_ratio}
    recipe = recipe_from({"evaluate": settings}, overrides or ()).evaluate
    frame = None
    if catalog is not None:
        from colles.datasets.catalog import Catalog

        frame = Catalog.load(catalog).frame
    worse = None if perturbed is None else Predictions.load(perturbed)
    evaluation = judge(Predictions.load(predictions), recipe, catalog_frame=frame, perturbed=worse)
    evaluation.save(target)
    if as_json:
        print_json(evaluation.model_dump(mode="json"))
        return
    _print(evaluation)
    for warning in evaluation.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"All figures: {target}")


def _print(evaluation: Evaluation) -> None:
    from colles.evaluation.levels import UNITS_IN_WORDS

    for name, subset in evaluation.subsets.items():
        _print_subset(f"{name}: {subset.n:,} images, {subset.n_positive:,} fractured", subset)
    for unit, level in evaluation.levels.items():
        units = UNITS_IN_WORDS[unit][1]
        for name, subset in level.subsets.items():
            title = f"{name}: {subset.n:,} {units} ({level.aggregation} of their images)"
            _print_subset(f"{title}, {subset.n_positive:,} fractured", subset, units)
    if evaluation.robustness:
        print_rows("robustness", ["subset", "condition", "AUROC", "change"], [
            [c.subset, c.value, str(c.figures["auroc"]), str(c.figures.get("auroc_change", "–"))]
            for c in evaluation.robustness
        ])  # fmt: skip


def _print_subset(title: str, subset: SubsetResult, units: str = "images") -> None:
    from colles.reporting.formats import threshold

    figures = [[name, str(estimate), f"{estimate.n:,}"] for name, estimate in subset.figures.items()]
    level = next(iter(subset.figures.values())).level
    print_rows(title, ["figure", f"value ({100 * level:g} % interval)", units], figures)
    points = [
        [name + (" *" if at.chosen_here else ""), threshold(at.threshold), *(_short(at.figures[f]) for f in _AT_POINTS)]
        for name, at in subset.operating_points.items()
    ]
    flatters = any(at.chosen_here for at in subset.operating_points.values())
    caption = "* judged on the data that chose it: flatters" if flatters else ""
    print_rows(caption, ["point", "score ≥", *_AT_POINTS], points)


def _short(estimate: Estimate) -> str:
    """Format with two digits, so that four figures with their intervals fit a terminal of 80 columns."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "undefined"
    return f"{estimate.value:.2f} ({estimate.low:.2f}–{estimate.high:.2f})"
