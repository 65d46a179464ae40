"""What the figures draw: the curve that average precision counts, whole intervals, text that can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.reporting.figures import curves, decision, histogram, learning, reliability

MODULES = (curves, decision, histogram, learning, reliability)


@pytest.fixture(scope="module")
def subsets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return three small judged subsets."""
    rng = np.random.default_rng(5)
    y_true = rng.integers(0, 2, 180)
    y_score = 1 / (1 + np.exp(-rng.normal(y_true - 0.5)))
    file = tmp_path_factory.mktemp("figures") / "predictions.csv"
    subset = np.repeat(["val", "external", "test"], 60)
    pl.DataFrame({"y_true": y_true, "y_score": y_score, "subset": subset}).write_csv(file)
    return evaluate(Predictions.load(file), EvaluateRecipe(replicates=100)).model_dump(mode="json")["subsets"]


@pytest.fixture(autouse=True)
def _painted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in MODULES:
        monkeypatch.setattr(module, "draw", _paint)


def _paint(name: str, alt: str, size: tuple[float, float], paint: Callable[[Figure], None]) -> Figure:
    figure = Figure(figsize=size)
    paint(figure)
    return figure


def test_precision_between_two_recalls_was_drawn_at_the_lowest_of_the_next(subsets: dict[str, Any]) -> None:
    figure: Any = curves.precision_recall_curve({"test": subsets["test"]})
    recall, precision = figure.axes[0].lines[0].get_data()
    area = float(np.sum(np.diff(recall) * np.asarray(precision)[1:]))
    assert area == pytest.approx(subsets["test"]["figures"]["average_precision"]["value"])


def test_the_interval_of_a_net_benefit_was_cut_off_at_the_frame(subsets: dict[str, Any]) -> None:
    curve = subsets["test"]["curves"]["net_benefit"]
    figure: Any = decision.decision_curve(curve, 0.5)
    bottom, top = figure.axes[0].get_ylim()
    assert bottom < min(curve["low"]) and max(curve["high"]) < top


def test_names_in_the_colour_of_a_pale_line_could_hardly_be_read(subsets: dict[str, Any]) -> None:
    scores = {name: (np.array([0, 1]), np.array([0.2, 0.8])) for name in subsets}
    log = pl.DataFrame({"epoch": [0, 1], "train_loss": [1.0, 0.5], "val_loss": [1.0, 0.7], "val_auroc": [0.5, 0.8]})
    drawn: list[Any] = [
        curves.roc_curve(subsets),
        curves.precision_recall_curve(subsets),
        decision.decision_curve(subsets["test"]["curves"]["net_benefit"], 0.5),
        histogram.score_histogram(scores, {}),
        learning.learning_curves(log),
        reliability.reliability_diagram(subsets, "Score"),
    ]
    texts = [text for figure in drawn for axes in figure.axes for text in axes.texts]
    assert {text.get_text(): _contrast(text.get_color()) for text in texts if _contrast(text.get_color()) < 4.5} == {}


def _contrast(colour: Any) -> float:
    """Return the contrast to white as WCAG 2.2 reckons it."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (0.05 + float(np.dot((0.2126, 0.7152, 0.0722), parts)))
