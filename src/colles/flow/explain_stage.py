"""The stage `explain` of a run: a gallery of hits and misses, and the scores of the maps."""

from __future__ import annotations

from colles.core.errors import MissingInputError
from colles.core.files import write_json
from colles.core.progress import say
from colles.core.recipe import ExplainRecipe
from colles.datasets.catalog import Catalog
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation
from colles.flow.explain import open_maps
from colles.flow.explain_images import explain_images, mean_seconds
from colles.flow.gallery import choose_gallery, gallery_items, write_sheets
from colles.flow.judge_run import judge_run
from colles.flow.workspace import Workspace

SCORES = "scores.json"


def explain_run(space: Workspace, recipe: ExplainRecipe) -> None:
    """Write explanations.json with its pictures and, where test has boxes, scores.json into the run's folder."""
    catalog = Catalog.load(space.catalog)
    frame = Predictions.load(space.predictions).frame
    threshold = Evaluation.load(space.evaluation).operating_points["f1"].threshold
    source = open_maps(space.train, recipe.methods)
    items = gallery_items(catalog, choose_gallery(frame, threshold, recipe))
    entries = explain_images(source, items, space.explain, sample=recipe.sample, seed=recipe.seed)
    write_sheets(entries, space.explain)
    for name, (count, seconds) in mean_seconds(source).items():
        say(f"  {name}: {count} images, {1000 * seconds:.0f} ms each")
    if recipe.score_images:
        try:
            scores = judge_run(source, catalog, frame, recipe)
        except MissingInputError as error:
            say(f"  maps were not judged: {error.message}")
            return
        write_json(space.explain / SCORES, scores)
