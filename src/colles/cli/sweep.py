"""`colles sweep`: search for better settings, and read what a search found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli.options import AsJson, Overrides, command, example, print_json, print_rows

if TYPE_CHECKING:
    from colles.learning.sweep.entries import Entry
    from colles.learning.sweep.logs import SweepLogs

_FOLDER = "Folder with results_config_*.json, of this program or older."


def register(app: typer.Typer) -> None:
    """Add the verb and its two parts to the program."""
    sweep = typer.Typer(
        name="sweep",
        help="Search for better settings, and rank what was found.",
        no_args_is_help=True,
        epilog=example("colles sweep run recipes/sweep.yaml --out out/sweep", "colles sweep show out/sweep"),
    )
    sweep.command(
        "run",
        epilog=example(
            "colles sweep run recipes/sweep.yaml --out out/sweep",
            "colles sweep run recipes/sweep.yaml --out out/sweep --resume --set sweep.trials=40",
            "colles sweep run recipes/sweep.yaml --out /shared/sweep --set sweep.engine=ray",
        ),
    )(run)
    sweep.command(
        "show",
        epilog=example(
            "colles sweep show out/sweep", "colles sweep show old_logs --plot sweep.png", "colles sweep show DIR --json"
        ),
    )(show)
    app.add_typer(sweep)


def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML file with a sweep section.")],
    out: Annotated[Path, typer.Option(help="Folder of the search.")],
    overrides: Overrides = None,
    catalog: Annotated[Path | None, typer.Option(help="Catalog to train on; made from the recipe otherwise.")] = None,
    split: Annotated[Path | None, typer.Option(help="Its split; made from the recipe otherwise.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a search that was begun here.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train one trial after the other. Keeps a JSON file of each; test is never looked at."""
    from colles.cli.relaunch import relaunch_with_allocator
    from colles.core.errors import UsageError
    from colles.core.extras import require
    from colles.core.files import refuse_existing
    from colles.core.recipe_text import load_recipe
    from colles.datasets.catalog import Catalog
    from colles.datasets.split import Split
    from colles.learning.sweep.search import begun_data, search
    from colles.learning.sweep.space import read_space

    settings = load_recipe(recipe, overrides or ())
    read_space(settings)
    if (catalog is None) != (split is None):
        raise UsageError("--catalog and --split go together", repair="Give both or neither")
    if not resume:
        refuse_existing(out / "sweep.json", repair="Go on with --resume, or choose another --out")
    require("torch", "train")
    require("optuna", "train")
    relaunch_with_allocator(settings.train)
    if catalog is None or split is None:
        from colles.flow.run import prepare_data

        begun = begun_data(out / "sweep.json")
        space = prepare_data(settings, out / "data", recipe_folder=recipe.parent, begun=begun)
        catalog, split = space.catalog, space.split

    logs = search(Catalog.load(catalog), Split.load(split), settings, out, resume=resume)
    _print(logs, as_json)
    if not as_json:
        words = ("train", out / "best_recipe.yaml", "--catalog", catalog, "--split", split, "--out", "RUN")
        typer.echo(f"Next: {command('colles', *words)}")


def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=_FOLDER)],
    plot: Annotated[
        Path | None, typer.Option(help="Draw the trials and the parameters into this .png or .svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rank trials by sensitivity and by F1. Partial, failed and broken ones are listed apart."""
    from colles.learning.sweep.logs import SweepLogs

    logs = SweepLogs.read(folder)
    _print(logs, as_json)
    if plot is not None:
        from colles.learning.sweep.picture import write_picture

        write_picture(logs, plot)


def _print(logs: SweepLogs, as_json: bool) -> None:
    if as_json:
        print_json(logs.summary())
        return
    from colles.learning.sweep.logs import varied

    names = varied(logs.of("complete"))
    header = ["config", "sensitivity", "F1", "AUROC", "score", *(name.removeprefix("train.") for name in names)]
    for by, title in (("by_sensitivity", "Best sensitivity first"), ("by_f1", "Best F1 first")):
        print_rows(title, header, [_row(entry, names) for entry in logs.ranked(by)])
    apart = [entry for state in ("partial", "failed") for entry in logs.of(state)]
    if apart:
        rows = [[str(entry.config_id), entry.state, entry.remark] for entry in apart]
        print_rows("Not ranked", ["config", "state", "why"], rows)
    if logs.broken:
        print_rows("Cannot be understood", ["file", "why"], [list(pair) for pair in logs.broken])
    importance = logs.importance()
    if importance.shares:
        print_rows("Importance", ["parameter", "share"], [[k, f"{v:.0%}"] for k, v in importance.shares.items()])
    typer.echo(f"Importance of the parameters: {importance.remark}")


def _row(entry: Entry, names: list[str]) -> list[str]:
    figures = (entry.best_sensitivity, entry.best_f1_score, entry.best_auroc, entry.best_score)
    params = [_short(entry.params.get(name)) for name in names]
    return [str(entry.config_id), *("–" if value is None else f"{value:.3f}" for value in figures), *params]


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "–" if value is None else str(value)
