"""Scores of a trained model on its own test images made worse: the rows that evaluation reads by `condition`."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.drawn import drawn_places
from colles.core.errors import MissingInputError, UnreadableImageError
from colles.core.progress import say, track
from colles.core.recipe import PreprocessRecipe, RobustnessRecipe
from colles.core.tables import write_table
from colles.imaging.perturb import PERTURBATIONS, conditions
from colles.imaging.preprocess import to_canvas, to_input
from colles.imaging.read import read_image, to_grey

Score = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""Network input (N, C, S, S) → scores (N,)."""
SUBSET = "test"
_BATCH = 8
_LOOKED_AT = ("image_id", "group_id", "subset", "y_true", "y_score")


def perturbed_predictions(
    predictions: pl.DataFrame,
    paths: dict[str, str],
    score: Score,
    preprocess: PreprocessRecipe,
    recipe: RobustnessRecipe,
) -> pl.DataFrame:
    """Return rows of test under every condition: image_id, group_id, subset, y_true, y_score, condition.

    `paths` by image_id. At most `recipe.images` labelled images, drawn by seed with their classes in proportion; one
    that cannot be read is left out of all conditions. Raise `MissingInputError` where none is left.
    """
    wanted = conditions(recipe.kinds, recipe.strengths)
    chosen = choose_images(predictions, recipe)
    rows, names, scores = [], [], []
    for row in track(chosen.iter_rows(named=True), "robustness", total=chosen.height):
        grey = _read(paths.get(row["image_id"]))
        if grey is None:
            continue
        batch = np.stack([_canvas(grey, row["image_id"], kind, strength, preprocess) for _, kind, strength in wanted])
        found = np.concatenate(
            [score(to_input(part, preprocess)) for part in np.array_split(batch, -(-len(batch) // _BATCH))]
        )
        rows.append(row)
        names.append([name for name, _, _ in wanted])
        scores.append(found.tolist())
    if not rows:
        raise MissingInputError("no test image could be read", repair="Bring the data back in place")
    kept = pl.DataFrame(rows, schema=chosen.schema).with_columns(
        condition=pl.Series(names, dtype=pl.List(pl.String)), y_score=pl.Series(scores, dtype=pl.List(pl.Float64))
    )
    long: pl.DataFrame = kept.explode("condition", "y_score")
    return long


def choose_images(predictions: pl.DataFrame, recipe: RobustnessRecipe) -> pl.DataFrame:
    """Return the labelled test rows, at most `recipe.images` of them, both classes in proportion."""
    test = predictions.filter((pl.col("subset") == SUBSET) & pl.col("y_true").is_not_null())
    test = test.select(name for name in _LOOKED_AT if name in test.columns).sort("image_id")
    if recipe.images is None or test.height <= recipe.images:
        return test
    rng = np.random.default_rng(recipe.seed)
    share = recipe.images / test.height
    parts = []
    for label in (0, 1):
        rows = test.filter(pl.col("y_true") == label)
        parts.append(rows[drawn_places(rows.height, max(1, round(share * rows.height)), rng)])
    both: pl.DataFrame = pl.concat(parts)
    return both.sort("image_id")


def _read(path: str | None) -> NDArray[np.uint8] | None:
    if path is None:
        return None
    try:
        return to_grey(read_image(Path(path)))
    except (UnreadableImageError, MissingInputError) as error:
        say(f"  left out of robustness: {error.message} ({Path(path).name})")
        return None


def _canvas(
    grey: NDArray[np.uint8], image_id: str, kind: str, strength: int, preprocess: PreprocessRecipe
) -> NDArray[np.uint8]:
    # The image's own seed: the order and number of images change nothing.
    rng = np.random.default_rng([zlib.crc32(image_id.encode()), zlib.crc32(kind.encode()), strength])
    return to_canvas(PERTURBATIONS[kind](grey, strength, rng), preprocess)


def write_robustness(run: Path, predictions: Path, catalog: pl.DataFrame, recipe: RobustnessRecipe, out: Path) -> Path:
    """Write the scores of a training run's test images under every condition to `out`."""
    from colles.evaluation.predictions import Predictions
    from colles.learning.scoring import checkpoint_score

    score, preprocess = checkpoint_score(run)
    frame = Predictions.load(predictions).frame
    paths = dict(catalog.select("image_id", "path").iter_rows())
    return write_table(perturbed_predictions(frame, paths, score, preprocess, recipe), out)
