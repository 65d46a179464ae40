"""Run all stages of a recipe in one folder; skip what is current, resume what was interrupted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colles.core.errors import OutputExistsError, RecipeError
from colles.core.files import LOCK, alone, existing_file
from colles.core.progress import say
from colles.core.recipe import Recipe
from colles.core.recipe_text import load_recipe, save_recipe
from colles.flow.sources import check_sources
from colles.flow.stage import Stage
from colles.flow.stages import Stages
from colles.flow.workspace import Ledger, Workspace


@dataclass(frozen=True)
class StageResult:
    """What happened to one stage."""

    name: str
    ran: bool
    reason: str
    seconds: float


def run(
    recipe: Recipe, out: str | Path, *, recipe_folder: str | Path = ".", overwrite: bool = False
) -> list[StageResult]:
    """Run every stage of `recipe` under `out`, ending with `out/report.html`.

    A stage whose inputs are the same as when it was last made is skipped. Raise `OutputExistsError` where `out` holds
    something else, or a run of another recipe and `overwrite` is not set (an earlier training is kept even then), and
    where another process runs there.
    """
    check_data(recipe, Path(recipe_folder))
    if _trains_anew(recipe, Workspace(Path(out))):
        check_training(recipe)
    refuse_strangers(Path(out))
    with alone(out, "run"):
        space = prepare_workspace(recipe, Path(out), overwrite=overwrite)
        return run_stages(Stages(recipe, space, Path(recipe_folder)).all, Ledger(space.state))


def check_data(recipe: Recipe, recipe_folder: Path) -> None:
    """Raise before anything is made what would stop catalog or split: a file that is not there, no meaning."""
    _check_meanings(recipe)
    _check_test(recipe)
    check_sources(recipe.data, recipe_folder)
    for file in (recipe.data.corrections, recipe.split.keep):
        if file is not None:
            existing_file(recipe_folder / Path(file).expanduser())


def check_training(recipe: Recipe) -> None:
    """Raise before anything is made what would stop the training: no such device, network or teacher."""
    from colles.learning.devices import choose_device
    from colles.learning.models import assert_grows, create_model
    from colles.learning.training.teachers import load_teachers

    if recipe.train.mode != "skip":
        choose_device(recipe.train)
        model = create_model(recipe.model, recipe.preprocess)
        assert_grows(model, recipe.train.progressive, channels=recipe.preprocess.channels)
        load_teachers(recipe.train.teachers, recipe.preprocess, prior_shift=0.0, sizes=recipe.train.progressive)


def _trains_anew(recipe: Recipe, space: Workspace) -> bool:
    if Ledger(space.state).key("train") is None or not space.recipe.is_file():
        return True
    return _learned(load_recipe(space.recipe)) != _learned(recipe)


def _learned(recipe: Recipe) -> list[Any]:
    train = recipe.train.deciding()
    # weights that are kept stand for the training that made them
    mode = "full" if recipe.train.mode == "skip" else recipe.train.mode
    return [recipe.model, recipe.preprocess, {**train, "mode": mode}]


def _check_meanings(recipe: Recipe) -> None:
    maps = [source.class_map for source in recipe.data.sources if isinstance(source.class_map, dict)]
    if maps and len(maps) == len(recipe.data.sources) and all(set(each.values()) == {None} for each in maps):
        names = ", ".join(repr(name) for each in maps for name in each)
        repair = f"Say what {names} mean: 1 fracture, 0 none, null to leave out"
        raise RecipeError("no class has a meaning yet", field="data.sources: class_map", repair=repair)


def _check_test(recipe: Recipe) -> None:
    if recipe.robustness.enabled and not recipe.split.test and not recipe.split.folds:
        repair = "Set split.test above 0, or robustness.enabled=false"
        raise RecipeError("there is no test image to make worse", field="split.test", repair=repair)


def prepare_data(
    recipe: Recipe, out: str | Path, *, recipe_folder: str | Path = ".", begun: Mapping[str, Any] | None = None
) -> Workspace:
    """Run the stages up to the split under `out`, for a training that has no split yet.

    `begun` holds the digests of `catalog` and `split` that something began with here: raise `StaleInputError` where
    others would take their place.
    """
    space = Workspace(Path(out))
    run_stages(Stages(recipe, space, Path(recipe_folder), begun=begun).data, Ledger(space.state))
    return space


def refuse_strangers(out: Path) -> None:
    """Raise `OutputExistsError` where `out` is a file, or a folder that holds something else than a run."""
    if out.exists() and not out.is_dir():
        raise OutputExistsError("is a file", path=out, repair="Choose another --out")
    if out.is_dir() and not Workspace(out).recipe.is_file() and any(path.name != LOCK for path in out.iterdir()):
        raise OutputExistsError("holds files that are not a run of colles", path=out, repair="Choose another --out")


def prepare_workspace(recipe: Recipe, out: Path, *, overwrite: bool = False) -> Workspace:
    """Make the run's folder, or check that it belongs to this recipe."""
    space = Workspace(out)
    if space.recipe.is_file():
        _same_recipe(load_recipe(space.recipe), recipe, out, overwrite)
    save_recipe(recipe, space.recipe)
    return space


def _same_recipe(before: Recipe, now: Recipe, out: Path, overwrite: bool) -> None:
    found = [name for name in _differences(before.model_dump(), now.model_dump()) if name != "train.mode"]
    if not found or overwrite:
        return
    changed = ", ".join(found)
    raise OutputExistsError(
        f"already holds a run of another recipe (different: {changed})",
        path=out,
        repair="Choose another --out, or add --overwrite (an earlier training is kept beside the new one)",
    )


def _differences(before: dict[str, object], now: dict[str, object], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key in now:
        old, new = before.get(key), now[key]
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key}")
    return found


def run_stages(stages: Sequence[Stage], ledger: Ledger) -> list[StageResult]:
    """Run stages in order and say of each whether it ran or was skipped, and why."""
    return [_run_stage(stage, ledger) for stage in stages]


def _run_stage(stage: Stage, ledger: Ledger) -> StageResult:
    key = stage.key
    reason = ledger.why_run(stage.name, key, stage.outputs)
    if reason is None:
        say(f"{stage.name:<9} skipped: its inputs have not changed")
        return StageResult(stage.name, False, "its inputs have not changed", 0.0)
    resume = ledger.key(stage.name) == key
    say(f"{stage.name:<9} runs: {reason}")
    ledger.begin(stage.name, key)
    started = time.perf_counter()
    stage.make(resume)
    seconds = time.perf_counter() - started
    ledger.finish(stage.name, key, seconds)
    say(f"{stage.name:<9} done in {seconds:.1f} s")
    return StageResult(stage.name, True, reason, seconds)
