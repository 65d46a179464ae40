"""The proof that a bundle gives the trained model's answers, on real images of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.errors import MissingInputError, ParityError
from colles.core.recipe import PreprocessRecipe
from colles.evaluation.scores import FloatArray
from colles.imaging.preprocess import to_canvas, to_input
from colles.imaging.read import read_image
from colles.learning.models.base import FractureClassifier
from colles.learning.scoring import score_batch
from colles.serving.predictor import Predictor

_BATCH = 8


def choose_images(predictions: pl.DataFrame, catalog: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return at most `count` rows (image_id, path, y_score), spread over all forms of files there are.

    One of each form (file ending, channels, depth) comes first, then rows at even distances in the order of forms and
    image_ids, so the choice is the same each time. Raise `MissingInputError` where no image of the predictions is in
    the catalog.
    """
    known = catalog.filter(pl.col("status") == "ok").select("image_id", "path", "channels", "bit_depth")
    rows = predictions.select("image_id", "y_score").join(known, on="image_id", how="inner").unique("image_id")
    if rows.is_empty():
        raise MissingInputError(
            "no image of the run's predictions is in the catalog, so nothing can be checked",
            field="image_id",
            repair="Name the catalog that the run was trained on: --catalog",
        )
    ending = pl.col("path").str.extract(r"(\.[^./\\]*)$").str.to_lowercase()
    forms = ["ending", "channels", "bit_depth"]
    rows = rows.with_columns(ending=ending).sort(*forms, "image_id", nulls_last=True).with_row_index("row")
    first = rows.unique(forms, keep="first", maintain_order=True)["row"].to_list()[:count]
    rest = np.setdiff1d(np.arange(rows.height), first)
    picked = np.linspace(0, len(rest) - 1, min(count - len(first), len(rest))).round().astype(int)
    chosen: pl.DataFrame = rows[sorted({*first, *rest[picked].tolist()})]
    return chosen.select("image_id", "path", "y_score")


def measure_parity(
    model: FractureClassifier,
    preprocess: PreprocessRecipe,
    predictor: Predictor,
    rows: pl.DataFrame,
    tolerance: float,
    *,
    rounded: float | None = None,
) -> dict[str, Any]:
    """Return the largest differences of probability over `rows`, for the metadata.

    The checkpoint and ONNX Runtime see the same arrays; the run's y_score is held against the predictor's own path
    from the file on. Raise `ParityError` above the tolerance, `MissingInputError` for an image that cannot be read.
    `rounded` is allowed in place of the tolerance between the run's predictions and weights that were rounded since.
    """
    paths = [Path(path) for path in rows["path"]]
    answers = list(predictor.predict_paths(paths, batch=_BATCH))
    for answer in answers:
        if answer.status != "ok":
            raise MissingInputError(
                f"needed for the check, but {answer.reason}", path=answer.path, repair="Bring the data back in place"
            )
    trained, exported = _scores(model, preprocess, predictor, paths)
    served = np.array([answer.score for answer in answers], np.float64)
    recorded = rows["y_score"].to_numpy().astype(np.float64)
    certificate = {
        "images": rows.height,
        "tolerance": tolerance,
        "max_difference_to_checkpoint": _largest(predictor, trained, exported),
        "max_difference_to_predictions": _largest(predictor, recorded, served),
    }
    if rounded is not None:
        certificate["tolerance_to_predictions"] = rounded
    _assert_parity(certificate)
    return {name: _upwards(value) if name.startswith("max_") else value for name, value in certificate.items()}


def _upwards(value: float) -> float:
    """Round up to one significant digit: the last bits depend on the processor and would change the bundle's bytes."""
    unit = 10.0 ** math.floor(math.log10(value)) if value else 1.0
    return float(f"{math.ceil(value / unit) * unit:.0e}")


def score_files(model: FractureClassifier, preprocess: PreprocessRecipe, paths: Sequence[Path]) -> FloatArray:
    """Return the checkpoint's scores (N,), 0 to 1, of image files."""
    return np.concatenate([score_batch(model, batch) for batch in _batches(paths, preprocess)])


def score_rows(model: FractureClassifier, preprocess: PreprocessRecipe, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the checkpoint's scores of the files in their column `path` as `y_score`."""
    paths = [Path(path) for path in rows["path"]]
    scores: list[float] = score_files(model, preprocess, paths).tolist() if paths else []
    return rows.with_columns(y_score=pl.Series(scores, dtype=pl.Float64))


def _scores(
    model: FractureClassifier, preprocess: PreprocessRecipe, predictor: Predictor, paths: Sequence[Path]
) -> tuple[FloatArray, FloatArray]:
    pairs = [(score_batch(model, batch), predictor.session.run(batch).score) for batch in _batches(paths, preprocess)]
    trained, exported = zip(*pairs, strict=True)
    return np.concatenate(trained), np.concatenate(exported)


def _batches(paths: Sequence[Path], preprocess: PreprocessRecipe) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(paths), _BATCH):
        canvases = [to_canvas(read_image(path), preprocess) for path in paths[start : start + _BATCH]]
        yield to_input(np.stack(canvases), preprocess)


def _largest(predictor: Predictor, one: FloatArray, other: FloatArray) -> float:
    # A difference must hide neither in the score nor, magnified by a steep calibration, in the probability.
    probability = np.abs(predictor.calibrate(one) - predictor.calibrate(other))
    return float(max(probability.max(), np.abs(one - other).max()))


def _assert_parity(certificate: dict[str, Any]) -> None:
    images, general = certificate["images"], certificate["tolerance"]
    rounded = certificate.get("tolerance_to_predictions", general)
    limits = {"max_difference_to_checkpoint": general, "max_difference_to_predictions": rounded}
    reasons = {
        "max_difference_to_checkpoint": "ONNX and the checkpoint differ",
        "max_difference_to_predictions": "the bundle, from the file on, and the run's predictions differ",
    }
    for key, reason in reasons.items():
        allowed = limits[key]
        # A NaN fails too: no comparison with it is true.
        if not certificate[key] <= allowed:
            raise ParityError(
                f"{reason} by up to {certificate[key]:.1e} in probability on {images} images; {allowed:.0e} is allowed",
                field=f"export.{key}",
                repair="Nothing was written. Were images, catalog or checkpoint changed after the training?",
            )
