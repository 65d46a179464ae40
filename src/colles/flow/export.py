"""Export a run folder, finding the catalog and the evaluation that belong to it."""

from __future__ import annotations

from pathlib import Path

from colles.core.errors import MissingInputError, StaleInputError, UsageError
from colles.core.files import existing_file, read_json
from colles.core.progress import say
from colles.core.recipe_text import load_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.evaluation.results import Evaluation
from colles.serving.manifest import MANIFEST


def export_run(
    run: Path,
    out: Path,
    *,
    evaluation: Path | None = None,
    catalog: Path | None = None,
    split: Path | None = None,
    name: str | None = None,
    half: bool = False,
    weights_only: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write the bundle of a run of `colles train`, or of the training inside a run of `colles run`.

    Without an evaluation the operating points are chosen on the run's val predictions. `run` may also be a bundle of
    weights alone: its network is made again, and nothing else can be chosen. A bundle in `out` is replaced, with
    `overwrite`, when the new one is whole; anything else is kept. Raise `MissingInputError` naming where a catalog was
    looked for, `ParityError` where ONNX and checkpoint disagree, `UsageError` for what a bundle has fixed already.
    """
    from colles.learning.export import export_bundle
    from colles.learning.weights_alone import complete_bundle

    if (run / MANIFEST).is_file():
        _refuse_choices(
            run, evaluation=evaluation, catalog=catalog, split=split, name=name, half=half, weights_only=weights_only
        )
        return complete_bundle(run, out, overwrite=overwrite)
    inner = training_of(run)
    recipe = load_recipe(existing_file(inner / "recipe.yaml", "Name the folder of a colles train or colles run")).export
    if name is not None:
        recipe = recipe.model_copy(update={"name": name})
    if half:
        recipe = recipe.model_copy(update={"half": True})
    table = Catalog.load(catalog or find_catalog(inner))
    divided = load_split(split or find_split(inner), table, inner, asked=split is not None)
    beside = inner.parent / "evaluation" / "evaluation.json"
    chosen = evaluation or (beside if inner != run and beside.is_file() else None)
    judged = Evaluation.load(chosen) if chosen is not None else None
    return export_bundle(
        inner, out, evaluation=judged, catalog=table, recipe=recipe, split=divided, weights_only=weights_only,
        overwrite=overwrite,
    )  # fmt: skip


def _refuse_choices(bundle: Path, **given: object) -> None:
    chosen = [f"--{option.replace('_', '-')}" for option, value in given.items() if value]
    if chosen:
        raise UsageError(f"{bundle} is a bundle already", field=", ".join(chosen), repair="Name the run it was made of")


def load_split(file: Path | None, catalog: Catalog, run: Path, *, asked: bool) -> Split | None:
    """Load the split of a run; None, with a word, where it is not there, or another and not `asked` for."""
    if file is None:
        say("  no gate and no int8 network: the split is not beside the run (name it: --split split.csv)")
        return None
    split = Split.load(file)
    try:
        split.assert_matches(catalog)
    except StaleInputError:
        if asked:
            raise
        say(f"  no gate and no int8 network: {file} was made from another catalog")
        return None
    if _trained_on(run) in (None, split.digest):
        return split
    if asked:
        repair = "Name the split that it was trained on, or leave --split out"
        raise StaleInputError("is another division than the run was trained on", path=file, repair=repair)
    say(f"  no gate and no int8 network: {file} is another division than the run was trained on")
    return None


def _trained_on(run: Path) -> str | None:
    """Return the digest of the split that a run was trained on, where it tells it."""
    file = run / "provenance.json"
    told = read_json(file) if file.is_file() else None
    digests = told.get("digests") if isinstance(told, dict) else None
    return digests.get("split") if isinstance(digests, dict) else None


def training_of(run: Path) -> Path:
    """Return the folder of the training inside a run of `colles run`; any other folder is its own."""
    return run / "train" if (run / "train" / "recipe.yaml").is_file() else run


def find_split(run: Path) -> Path | None:
    """Find the split that a run was trained on: inside it, or beside it; None where there is none."""
    return next((place for place in _places(run, "split.csv") if place.is_file()), None)


def find_catalog(run: Path) -> Path:
    """Find the catalog that a run was trained on: inside it, or beside it."""
    places = _places(run, "catalog.parquet")
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(str(place) for place in places)
    raise MissingInputError(f"no catalog; looked at {looked}", path=run, repair="Name it: --catalog catalog.parquet")


def _places(run: Path, name: str) -> list[Path]:
    return [run / "data" / name, run / name, run.parent / name]
