"""The published scores in the notebook, judged anew, and the default bundle's heat maps."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colles.core.files import remove
from colles.core.recipe import EvaluateRecipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation
from colles.flow.explain import open_maps
from colles.flow.explain_images import explain_images
from colles.flow.gallery import choose_gallery, gallery_items, write_sheets
from colles.flow.practicum.walk import Practicum, quiet
from colles.serving.bundle import Bundle, load_bundle
from colles.serving.known import default_bundle
from colles.serving.predictor import Predictor

_PUBLISHED = Path(__file__).parents[4] / "models" / "predictions"


def published_scores(name: str | None = None) -> Predictions:
    """Return a bundle's scores of val and test, the default's; raise `MissingInputError` without a source checkout."""
    return Predictions.load(_PUBLISHED / f"{name or default_bundle()}.parquet")


def shipped() -> dict[str, Evaluation]:
    """Evaluate all published scores of val and test, the default bundle's first."""
    others = sorted({file.stem for file in _PUBLISHED.glob("*.parquet")} - {default_bundle()})
    return {name: evaluate(published_scores(name), EvaluateRecipe()) for name in (default_bundle(), *others)}


def explain_shipped(practicum: Practicum) -> list[Path]:
    """Draw the default bundle's heat maps of some hits, misses and false alarms; return a sheet an outcome.

    On the real sets these are images of its own test, on others it scores the test images first.
    """
    bundle, recipe, out = load_bundle(), practicum.recipe.explain, practicum.space.out / "maps"
    threshold = bundle.metadata.operating_points["f1"].threshold
    with quiet():
        scores = _own_test(practicum) if practicum.real else _score(practicum, bundle)
        chosen = choose_gallery(scores, threshold, recipe)
        remove(out)
        entries = explain_images(
            open_maps(bundle.folder, recipe.methods), gallery_items(practicum.catalog, chosen), out
        )
    return write_sheets(entries, out)


def _own_test(practicum: Practicum) -> pl.DataFrame:
    here = practicum.catalog.frame["image_id"].to_list()
    return published_scores().frame.filter(pl.col("image_id").is_in(here))


def _score(practicum: Practicum, bundle: Bundle) -> pl.DataFrame:
    test = practicum.split.frame.filter(pl.col("subset") == "test").select("image_id", "subset")
    rows = test.join(practicum.catalog.frame.select("image_id", "path", y_true="label"), on="image_id").sort("image_id")
    answers = Predictor(bundle, threads=1, gate=False).predict_batch(rows["path"].to_list())
    return rows.with_columns(y_score=pl.Series([answer.score for answer in answers], dtype=pl.Float64))
