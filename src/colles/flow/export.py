"""Export a run folder, finding the catalog and the evaluation that belong to it."""

from __future__ import annotations

from pathlib import Path

from colles.core.errors import MissingInputError
from colles.core.recipe_text import load_recipe
from colles.datasets.catalog import Catalog
from colles.evaluation.evaluate import Evaluation


def export_run(
    run: Path, out: Path, *, evaluation: Path | None = None, catalog: Path | None = None, name: str | None = None
) -> Path:
    """Write the bundle of a run of `colles train`, or of the training inside a run of `colles run`.

    Without an evaluation the operating points are chosen on the run's val predictions. Raise `MissingInputError`
    naming where a catalog was looked for, `ParityError` where ONNX and checkpoint disagree.
    """
    from colles.learning.export import export_bundle

    inner = run / "train" if (run / "train" / "recipe.yaml").is_file() else run
    recipe = load_recipe(inner / "recipe.yaml").export
    if name is not None:
        recipe = recipe.model_copy(update={"name": name})
    table = Catalog.load(catalog or find_catalog(inner))
    beside = inner.parent / "evaluation" / "evaluation.json"
    chosen = evaluation or (beside if inner != run and beside.is_file() else None)
    judged = Evaluation.load(chosen) if chosen is not None else None
    return export_bundle(inner, out, evaluation=judged, catalog=table, recipe=recipe)


def find_catalog(run: Path) -> Path:
    """Find the catalog that a run was trained on: inside it, or beside it."""
    places = [run / "data" / "catalog.parquet", run.parent / "catalog.parquet"]
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(str(place) for place in places)
    raise MissingInputError(f"no catalog; looked at {looked}", path=run, repair="Name it: --catalog catalog.parquet")
