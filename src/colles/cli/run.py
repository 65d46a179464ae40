"""`colles run`: all stages of a recipe, or of a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from colles.cli.options import AsJson, Overrides, Overwrite, command, example, print_json, print_rows

if TYPE_CHECKING:
    from colles.core.recipe import Recipe
    from colles.core.records import Estimate
    from colles.evaluation.results import Evaluation


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "run",
        epilog=example(
            "colles run recipes/demo.yaml --out out/demo",
            "colles run --folder my_images --out out/mine  # a class a folder: fractured/, normal/",
            "COLLES_DATA=/data colles run recipes/practicum.yaml --out out/practicum --set model.name=resnet50",
        ),
    )(run)


def run(
    recipe: Annotated[Path | None, typer.Argument(metavar="[RECIPE]", help="A YAML file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for everything that is made.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Own images, a class a folder, in place of a recipe's.")] = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Run every stage from data to report. The same command goes on where it was interrupted."""
    from colles.cli.relaunch import relaunch_with_allocator
    from colles.core.errors import UsageError
    from colles.core.extras import require

    if out is None:
        raise UsageError("no --out", repair="Name a folder for the results: --out out/NAME")
    settings, base = settings_of(recipe, folder, out, overrides or [])
    require("torch", "train")
    relaunch_with_allocator(settings.train)
    from colles.core.records import doubt
    from colles.evaluation.results import Evaluation, reported_subset
    from colles.flow.run import run as run_all
    from colles.flow.workspace import Workspace

    results = run_all(settings, out, recipe_folder=base, overwrite=overwrite)
    evaluation = Evaluation.load(Workspace(out).evaluation)
    subset = reported_subset(evaluation.subsets)
    assert subset is not None  # an evaluation has one
    figures, doubtful = headline(evaluation, subset), doubt(evaluation.subsets[subset].figures.get("auroc"))
    if as_json:
        stages = [{"stage": r.name, "ran": r.ran, "reason": r.reason, "seconds": r.seconds} for r in results]
        told = [{"figure": name, **estimate.model_dump(mode="json")} for name, estimate in figures]
        print_json({"report": str(out / "report.html"), "stages": stages, "figures": told, "doubt": doubtful})
        return
    rows = [[name, str(estimate), str(estimate.n)] for name, estimate in figures]
    value = f"value ({100 * figures[0][1].level:g} % interval)"
    print_rows(f"{subset.capitalize()} set, thresholds chosen on val", ["figure", value, "images"], rows)
    if doubtful:
        typer.echo(doubtful)
    typer.echo(f"Report: {out / 'report.html'}")


def settings_of(recipe: Path | None, folder: Path | None, out: Path, overrides: list[str]) -> tuple[Recipe, Path]:
    """Return the recipe of a call, and the folder that its relative paths start from."""
    from colles.core.errors import UsageError
    from colles.core.recipe_text import load_recipe

    if folder is not None:
        return _settings_of_folder(recipe, folder, out, overrides)
    if recipe is None:
        raise UsageError("neither a recipe nor --folder", repair="For example: colles run recipes/demo.yaml")
    if recipe.is_dir():
        repair = f"For two folders of pictures: colles run --folder {recipe} --out {out}"
        raise UsageError("is a folder, not a recipe", path=recipe, repair=repair)
    return load_recipe(recipe, overrides), recipe.parent


def _settings_of_folder(recipe: Path | None, folder: Path, out: Path, overrides: list[str]) -> tuple[Recipe, Path]:
    from colles.core.errors import UsageError
    from colles.core.files import existing_folder
    from colles.core.recipe_text import load_recipe, recipe_from

    if folder.is_file():
        init = command("colles", "init", folder, "--out", "recipe.yaml")
        repair = f"Unpack an archive. For a table of path and label: {init}, then colles run recipe.yaml"
        raise UsageError("is a file, not a folder", path=folder, repair=repair)
    existing_folder(folder)
    source = {"kind": "folder", "path": str(folder.expanduser().absolute())}
    begun = out / "recipe.yaml"
    if recipe is not None:
        values = load_recipe(recipe, overrides).model_dump(mode="json")
        own = {"sources": [source], "phantom": None, "root": None}
        return recipe_from({**values, "data": values["data"] | own}), recipe.parent
    if not begun.is_file():
        return recipe_from(_starter_values(folder, overrides), overrides), Path()
    # What was chosen when the run began holds, though the folder may have grown; another folder is another run.
    values = load_recipe(begun, overrides).model_dump(mode="json")
    values["data"]["sources"] = [{**(values["data"]["sources"] or [{}])[0], **source}]
    return recipe_from(values), Path()


def _starter_values(folder: Path, overrides: list[str]) -> dict[str, Any]:
    from colles.cli.relaunch import relaunched
    from colles.core.errors import RecipeError
    from colles.core.progress import say
    from colles.datasets.survey import survey
    from colles.flow.starter import choose, has_gpu, recipe_values

    found = survey(f"folder={folder}")
    if found.unclear:
        shown = ", ".join(map(repr, found.unclear[:8]))
        init = command("colles", "init", folder, "--out", "recipe.yaml")
        repair = f"Name them fractured and normal, or say it in a recipe: {init}; "
        repair += "where folders are no classes, name a table of path and label: colles init TABLE.csv"
        raise RecipeError(f"cannot tell what the folders {shown} mean", path=folder, repair=repair)
    choices = choose([found], gpu=has_gpu())
    given = {text.partition("=")[0].strip() for text in overrides}
    if not relaunched():  # else it was said before
        for choice in (choice for choice in choices if choice.key not in given):
            say(f"{choice.key}={choice.value}: {choice.why}")
    return recipe_values([found], choices, found.name)


def headline(evaluation: Evaluation, subset: str) -> list[tuple[str, Estimate]]:
    """Collect the few figures of a subset that the end of a run prints, and the AUROC of further subsets."""
    judged = evaluation.subsets[subset]
    rows = [("AUROC", judged.figures["auroc"])]
    for group in evaluation.subgroups:
        if group.subset == subset and group.column in ("source", "upper_limb"):
            name = group.value if group.column == "source" else "upper limb"
            rows.append((f"AUROC, {name}", group.figures["auroc"]))
    for name in ("sensitivity", "specificity"):
        rows.append((f"{name} at the F1 threshold", judged.operating_points["f1"].figures[name]))
    others = (name for name in evaluation.subsets if name not in ("train", "val", subset))
    return [*rows, *((f"AUROC on {name}", evaluation.subsets[name].figures["auroc"]) for name in others)]
