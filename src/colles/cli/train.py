"""`colles train`: a recipe to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli.options import Overrides, command, example

if TYPE_CHECKING:
    from colles.core.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "train",
        epilog=example(
            "colles train recipes/demo.yaml --out out/run",
            "colles train recipes/practicum.yaml --catalog catalog.parquet --split split.csv --out out/run --resume",
            "colles train recipes/demo.yaml --out out/folds --folds 5",
        ),
    )(train)


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML file, such as recipes/demo.yaml.")],
    out: Annotated[Path, typer.Option(help="Run folder to make.")],
    overrides: Overrides = None,
    catalog: Annotated[Path | None, typer.Option(help="Catalog to train on; made from the recipe otherwise.")] = None,
    split: Annotated[Path | None, typer.Option(help="Its split; made from the recipe otherwise.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")] = False,
    find_lr: Annotated[
        bool, typer.Option("--find-lr", help="Only look for a learning rate; writes rate_finder.csv and .png.")
    ] = False,
    folds: Annotated[int | None, typer.Option(help="Cross-validate by group in so many folds.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Train so many times, with other seeds.")] = None,
) -> None:
    """Train a classifier. What the recipe leaves out has defaults that the run folder records."""
    from colles.cli.relaunch import relaunch_with_allocator
    from colles.core.errors import UsageError
    from colles.core.extras import require
    from colles.core.files import refuse_existing
    from colles.core.recipe_text import load_recipe

    several = {"train.folds": folds, "train.seeds": seeds}
    given = [f"{key}={value}" for key, value in several.items() if value is not None]
    settings = load_recipe(recipe, [*(overrides or ()), *given])
    if (catalog is None) != (split is None):
        raise UsageError("--catalog and --split go together", repair="Give both or neither")
    if not resume and settings.train.mode != "skip":
        refuse_existing(out, repair="Go on with --resume, or choose another --out")
    require("torch", "train")
    relaunch_with_allocator(settings.train)
    if catalog is None or split is None:
        catalog, split = _prepare(settings, out, recipe.parent, resume=resume)
    if find_lr:
        _find_rate(settings, out, catalog, split)
    else:
        _fit(settings, out, catalog, split, resume=resume)


def _prepare(settings: Recipe, out: Path, recipe_folder: Path, *, resume: bool) -> tuple[Path, Path]:
    """Make the catalog and its split from the recipe; return where they are."""
    from colles.flow.run import check_data, check_training, prepare_data
    from colles.learning.training.inputs import read_inputs

    if not resume:
        check_data(settings, recipe_folder)
        check_training(settings)
    begun = read_inputs(out / "checkpoints")
    space = prepare_data(settings, out / "data", recipe_folder=recipe_folder, begun=begun)
    return space.catalog, space.split


def _find_rate(settings: Recipe, out: Path, catalog: Path, split: Path) -> None:
    from colles.datasets.catalog import Catalog
    from colles.datasets.split import Split
    from colles.learning.training.rate_finder import find_rate

    curve = find_rate(Catalog.load(catalog), Split.load(split), settings)
    curve.save(out)
    again = f"try --set train.lr={curve.suggestion / 3:.1g} and another --out"
    typer.echo(f"Steepest fall of the loss at {curve.suggestion:g}; {again}")


def _fit(settings: Recipe, out: Path, catalog: Path, split: Path, *, resume: bool) -> None:
    from colles.datasets.catalog import Catalog
    from colles.datasets.split import Split
    from colles.learning.training import train

    train(Catalog.load(catalog), Split.load(split), settings, out, resume=resume)
    typer.echo(f"Scores of val and test: {out / 'predictions.parquet'}")
    words = ("evaluate", out / "predictions.parquet", "--catalog", catalog, "--out", out / "evaluation")
    typer.echo(f"Next: {command('colles', *words)}")
