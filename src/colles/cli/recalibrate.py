"""`colles recalibrate`: a bundle fitted to a site's own labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli.options import AsJson, Overrides, example, print_json, print_rows

if TYPE_CHECKING:
    from colles.flow.recalibrate import Recalibration

_POINT = ("sensitivity", "specificity", "ppv", "npv")


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "recalibrate",
        epilog=example(
            "colles recalibrate fracture-fracatlas labels.csv --out models/ours  # columns path, label",
            "colles recalibrate out/mine/bundle labels.csv --out models/x --calibration isotonic --prevalence 0.08",
        ),
    )(recalibrate)


def recalibrate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Bundle folder, or the name of one.")],
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS", help="Table: path, label, and where known group, study_id, patient_id.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.")],
    name: Annotated[str | None, typer.Option(help="Name of the new bundle; the old one's otherwise.")] = None,
    calibration: Annotated[str, typer.Option(help="platt, temperature, isotonic or none.")] = "platt",
    prevalence: Annotated[
        float | None, typer.Option(help="Share of fractures among all patients, where the labels are a selection.")
    ] = None,
    cost_ratio: Annotated[float | None, typer.Option(help="Adds the point `cost`.")] = None,
    gate: Annotated[bool, typer.Option(help="Leave out what the bundle refuses, as colles predict does.")] = True,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Refit thresholds and probabilities on own labelled images. The weights stay, the old bundle too."""
    from colles.core.recipe_text import recipe_from
    from colles.flow.recalibrate import recalibrate as refit

    settings = {"calibration": calibration, "prevalence": prevalence, "cost_ratio": cost_ratio}
    recipe = recipe_from({"evaluate": settings}, overrides or ()).evaluate
    done = refit(bundle, labels, out, recipe, name=name, gate=gate)
    if as_json:
        print_json(_as_dict(done))
    else:
        _print(done)
    for warning in done.warnings:
        typer.echo(f"warning: {warning}", err=True)


def _as_dict(done: Recalibration) -> dict[str, object]:
    counts = {"images": done.n, "fractures": done.n_positive, "left_out": done.left_out, "refused": done.refused}
    figures = {
        when: {point: {key: each.model_dump() for key, each in found.items()} for point, found in part.items()}
        for when, part in (("before", done.before), ("after", done.after))
    }
    return {"bundle": done.bundle.name, **counts, **figures, "warnings": list(done.warnings)}


def _print(done: Recalibration) -> None:
    rows = []
    for when, part in (("old", done.before), ("new, by folds", done.after)):
        rows += [[point, when, *(str(found[f]) for f in _POINT)] for point, found in part.items() if "ppv" in found]
    title = f"{done.n:,} images of the site, {done.n_positive:,} fractured"
    print_rows(title, ["operating point", "thresholds", *_POINT], sorted(rows, key=lambda row: row[0]))
    names = [*done.before["calibration"]]
    errors = [[when, *(str(part["calibration"][key]) for key in names)]
              for when, part in (("old", done.before), ("new, by folds", done.after))]  # fmt: skip
    print_rows("", ["calibration", *names], errors)
    typer.echo(f"New bundle {done.bundle.name}: {done.bundle.folder}")
