"""The report reads the predictions as the evaluation did, and tells when they are others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.reporting.artefacts import load_artefacts
from colles.reporting.comparison import comparison_blocks
from colles.reporting.failures import failures_table, judging_point
from colles.reporting.report import write_report
from colles.reporting.sections.discrimination import scores_by_subset


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Return a folder with predictions whose unchanged rows are called `clean`, and their evaluation."""
    rng, n = np.random.default_rng(0), 200
    y_true = rng.integers(0, 2, n)
    clean = pl.DataFrame({
        "image_id": [f"{i}.png" for i in range(n)], "subset": ["val", "test"] * (n // 2), "y_true": y_true,
        "y_score": np.clip(0.3 + 0.3 * y_true + rng.normal(0, 0.2, n), 0, 1), "condition": ["clean"] * n,
    })  # fmt: skip
    noise = clean.with_columns(condition=pl.lit("noise 1"), y_score=0.7 * pl.col("y_score"))
    file = tmp_path / "run" / "predictions.parquet"
    Predictions(pl.concat([clean, noise])).save(file)
    evaluate(Predictions.load(file), EvaluateRecipe(replicates=100)).save(file.with_name("evaluation.json"))
    return file.parent


def test_failures_and_histogram_are_of_the_images_that_were_judged(judged: Path) -> None:
    run = load_artefacts(judged)
    name, point = judging_point(run)
    assert failures_table(run).height == point["confusion"]["fn"] + point["confusion"]["fp"] > 0
    assert name == "f1"
    for subset, (y_true, _) in scores_by_subset(run).items():
        assert len(y_true) == run.subsets[subset]["n"] == 100


@pytest.mark.slow
def test_predictions_that_were_not_judged_are_left_out_and_said_to_be(judged: Path) -> None:
    other = pl.read_parquet(judged / "predictions.parquet").with_columns(y_score=1 - pl.col("y_score"))
    other.write_parquet(judged / "predictions.parquet")
    run = load_artefacts(judged)
    assert run.unlike
    assert failures_table(run) is None
    assert scores_by_subset(run) == {}
    text = write_report([judged], judged / "report.html").read_text("utf-8")
    assert text.count("not those that the evaluation judged") == 2
    assert not (judged / "results" / "failures.csv").exists()
    assert "is not known" in str(comparison_blocks(["a", "b"], [run, run])[0])
