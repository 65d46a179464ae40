"""Export a bundle of models/ anew where the run that made it is gone, with `--half` in 16 bits.

`python scripts/reexport_bundle.py NAME --catalog CATALOG --split SPLIT [--half] [--run DIR]` builds a run folder from
the bundle's weights and recipe, scores the images of models/predictions/NAME.parquet again, chooses thresholds and
calibration on val, and puts the export in the place of the old bundle. What is told of the training stays. SPLIT names
the images of train and val that the gate and the int8 network are made from. Run `scripts/publish_bundle.py NAME`
afterwards.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import polars as pl

from colles.core.errors import CollesError, MissingInputError
from colles.core.files import atomic_path, refuse_existing
from colles.core.recipe import Recipe
from colles.core.recipe_text import load_recipe, save_recipe
from colles.core.tables import write_table
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.learning.checkpoint import describe_model, load_classifier, save_checkpoint
from colles.learning.export import export_bundle
from colles.learning.parity import score_rows
from colles.learning.weights_alone import round_to_half
from colles.serving.bundle import RECIPE, Bundle, load_bundle, write_bundle

ROOT = Path(__file__).parents[1]


def rebuild_run(bundle: Bundle, run: Path, recipe: Recipe, predictions: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Write the run folder, and return the predictions with the scores of its weights, in 16 bits where it says so.

    Raise `MissingInputError` where an image of the predictions is not in the catalog.
    """
    model, preprocess = load_classifier(bundle.folder)
    if recipe.export.half:
        round_to_half(model)
    rows = predictions.join(catalog.frame.select("image_id", "path"), on="image_id", how="left", maintain_order="left")
    if lacking := rows["path"].null_count():
        raise MissingInputError(f"the catalog lacks {lacking} of its images", path=run, repair="Name the whole catalog")
    table = score_rows(model, preprocess, rows).select(predictions.columns).cast(predictions.schema)
    described = describe_model(recipe.model, preprocess, model)
    save_checkpoint(model, run / "checkpoints" / "best.safetensors", described)
    save_recipe(recipe, run / RECIPE)
    write_table(table, run / "predictions.parquet")
    return table


def main(arguments: list[str] | None = None) -> None:
    """Read the arguments, and put the new bundle and its predictions in the place of the old ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--half", action="store_true", help="weights in 16 bits")
    parser.add_argument("--run", type=Path, help="the run folder to make; out/NAME by default")
    given = parser.parse_args(arguments)
    folder, kept = ROOT / "models" / given.name, ROOT / "models" / "predictions" / f"{given.name}.parquet"
    run = given.run or ROOT / "out" / given.name
    refuse_existing(run, repair="Choose another folder: --run")
    bundle, catalog = load_bundle(folder), Catalog.load(given.catalog)
    told = load_recipe(folder / RECIPE)
    recipe = told.model_copy(update={"export": told.export.model_copy(update={"half": given.half})})
    table = rebuild_run(bundle, run, recipe, pl.read_parquet(kept), catalog)
    judged = evaluate(Predictions.load(run / "predictions.parquet"), recipe.evaluate, catalog_frame=catalog.frame)
    with atomic_path(folder) as staged:
        made = export_bundle(
            run, staged, evaluation=judged, catalog=catalog, recipe=recipe.export, split=Split.load(given.split)
        )
        new = load_bundle(made)
        write_bundle(made, new.metadata.model_copy(update={"training": bundle.metadata.training}))
    write_table(table, kept)
    print(f"{folder}: version {bundle.metadata.version} -> {new.metadata.version}")


if __name__ == "__main__":
    try:
        main()
    except CollesError as error:
        sys.exit(f"error: {error}")
