"""Each shipped bundle gives the scores of its checkpoint, and those published with it, on real test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colles.learning.checkpoint import load_classifier
from colles.learning.parity import measure_parity
from colles.learning.weights_alone import SCORE_TOLERANCE, complete_bundle
from colles.serving.bundle import MODEL, WEIGHTS, load_bundle
from colles.serving.predictor import Predictor

MODELS = Path(__file__).parents[2] / "models"
SHIPPED = sorted(path.parent.name for path in MODELS.glob(f"*/{WEIGHTS}"))
FOLDERS = {"fracatlas": "FracAtlas"}
IMAGES = 24


def test_there_is_a_shipped_model() -> None:
    assert SHIPPED


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("name", SHIPPED)
def test_parity_holds_on_real_test_images(real_data: Path, tmp_path: Path, name: str) -> None:
    published = pl.read_parquet(MODELS / "predictions" / f"{name}.parquet").filter(pl.col("subset") == "test")
    rows = published.sort("image_id")[np.linspace(0, published.height - 1, IMAGES).round().astype(int).tolist()]
    rows = rows.with_columns(path=pl.col("image_id").map_elements(lambda x: str(_file(real_data, x)), pl.String))
    whole = (MODELS / name / MODEL).is_file()
    bundle = load_bundle(MODELS / name if whole else complete_bundle(MODELS / name, tmp_path / name))
    model, preprocess = load_classifier(MODELS / name)
    assert preprocess == bundle.metadata.preprocessing
    # Without the gate: it may refuse one of a hundred, whose score is to be compared all the same.
    rounded = None if whole else SCORE_TOLERANCE
    found = measure_parity(model, preprocess, Predictor(bundle, gate=False), rows, tolerance=1e-4, rounded=rounded)
    assert found["images"] == IMAGES


def _file(root: Path, image_id: str) -> Path:
    source, _, inside = image_id.partition("/")
    return root / FOLDERS.get(source, source) / inside
