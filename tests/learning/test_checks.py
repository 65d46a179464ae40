"""Sanity checks tell a sound method from a broken one, and probes find a planted shortcut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from colles.core.recipe import ModelRecipe, PhantomRecipe, PreprocessRecipe
from colles.core.records import Box, Estimate
from colles.datasets.phantom.plan import plan_files
from colles.datasets.phantom.render import render_view
from colles.evaluation.sanity import NO_FAITH, NO_WEIGHTS, judge_repeatability, rank_correlation
from colles.flow.checks import check_methods, shift
from colles.flow.explain import Item
from colles.flow.probes import PARTS, _sentence, probe_shortcuts
from colles.imaging.regions import cover, marker_mask
from colles.learning.explain import TorchMaps
from colles.learning.explain.base import Explainer
from colles.learning.explain.explainers import EXPLAINERS
from colles.learning.explain.randomise import cascade
from colles.learning.models import FractureClassifier, create_model
from colles.serving.maps import Maps, MapSource, Method

PREPROCESS = PreprocessRecipe(size=64, channels=1, mean=(0.5,), std=(0.5,))
RECIPE = ModelRecipe(name="timm:test_resnet", weights="none")


class Edges(Explainer):
    """A method that is broken on purpose: it shows the image's edges, whatever the network."""

    title = "edges"

    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        across = nn.functional.pad((x[:, :, :, 1:] - x[:, :, :, :-1]).abs(), (0, 1))
        return across.sum(1)


def squares(folder: Path, count: int = 12) -> list[Item]:
    """Draw noise; every second picture has a bright square at a random place, and is fractured."""
    rng = np.random.default_rng(0)
    items = []
    for number in range(count):
        pixels = rng.integers(60, 100, (64, 64)).astype(np.uint8)
        x, y = (int(value) for value in rng.integers(4, 44, 2))
        boxes = ()
        if number % 2 == 0:
            pixels[y : y + 16, x : x + 16] += 120
            boxes = (Box(x1=x, y1=y, x2=x + 16, y2=y + 16),)
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        items.append(Item(path, str(number), boxes, int(number % 2 == 0)))
    return items


def fit(model: FractureClassifier, x: Tensor, y: Tensor, steps: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    model.train()
    rng = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randperm(len(x), generator=rng)[:32]
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(x[rows])[:, 0], y[rows]).backward()
        optimizer.step()
    model.eval()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[FractureClassifier, list[Item]]:
    items = squares(tmp_path_factory.mktemp("squares"), 96)
    pixels = np.stack([np.asarray(Image.open(item.path)) for item in items])
    torch.manual_seed(0)
    model = create_model(RECIPE, PREPROCESS)
    x = torch.from_numpy((pixels.astype(np.float32)[:, None] / 255 - 0.5) / 0.5)
    fit(model, x, torch.tensor([float(item.label or 0) for item in items]), 120)
    return model, items


@pytest.mark.slow
def test_a_method_that_ignores_the_weights_is_flagged(
    trained: tuple[FractureClassifier, list[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, items = trained
    monkeypatch.setitem(EXPLAINERS, "edges", Edges)
    source = TorchMaps(model, PREPROCESS, ["gradcam", "edges"])
    found = check_methods(source, [item for item in items if item.label][:8])
    broken = found["edges"]["checks"]["randomisation"]
    assert NO_WEIGHTS in found["edges"]["warnings"] and not broken["passed"]
    assert all(step["correlation"] == pytest.approx(1) for step in broken["steps"])
    sound = found["gradcam"]
    assert sound["checks"]["randomisation"]["passed"] and NO_WEIGHTS not in sound["warnings"]
    assert sound["checks"]["repeatability"]["passed"]
    faith = sound["checks"]["faithfulness"]
    assert faith["passed"] and NO_FAITH not in sound["warnings"]
    assert faith["deletion"] < faith["random_deletion"] or faith["insertion"] > faith["random_insertion"]


def test_randomisation_starts_at_the_head_and_ends_with_every_layer() -> None:
    model, other = (create_model(RECIPE, PREPROCESS) for _ in range(2))
    nn.init.ones_(model.head.weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    steps = [(layer, {k: v.clone() for k, v in found.state_dict().items()}) for layer, found in cascade(model, other)]
    head = {name for name in before if not name.startswith("backbone")}
    changed = {name for name in before if not torch.equal(steps[0][1][name], before[name])}
    assert steps[0][0] == "head" and changed and changed <= head
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in steps[-1][1].items())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert 3 <= len(steps) <= 6


def test_a_map_that_jumps_is_not_repeatable() -> None:
    assert not judge_repeatability(np.array([0.1, 0.2]), np.array([0.3, 0.4]))["passed"]
    assert judge_repeatability(np.array([0.9, 0.8]), np.array([0.01, 0.0]))["passed"]
    values = np.arange(12).reshape(3, 4)
    assert shift(shift(values, 1, -1), -1, 1)[1:, :3].tolist() == values[1:, :3].tolist()
    assert rank_correlation(values, -values) == pytest.approx(-1)
    assert rank_correlation(values, np.ones((3, 4))) == 0


def phantoms(folder: Path, count: int, *, marker: str) -> list[Item]:
    """Draw simulated radiographs; lead markers lie on the fractured ones (`label`), or on all."""
    items = []
    plans = [
        plan for plan in plan_files(PhantomRecipe(images=max(20, 2 * count), size=128, seed=1)) if not plan.planted
    ]
    for number, plan in enumerate(plans[:count]):
        marked = plan.patient.fractured if marker == "label" else True
        patient = replace(plan.patient, marker=marked, hardware=False, cast=False)
        view = render_view(patient, plan.view, plan.view_index, 128)
        path = folder / f"{number}.png"
        Image.fromarray(view.pixels).save(path)
        boxes = tuple(Box(x1=a, y1=b, x2=c, y2=d) for a, b, c, d in view.boxes)
        items.append(Item(path, str(number), boxes, int(patient.fractured)))
    return items


def fit_on(items: list[Item], size: PreprocessRecipe) -> FractureClassifier:
    from colles.imaging.preprocess import to_canvas, to_input

    canvases = np.stack([to_canvas(np.asarray(Image.open(item.path)), size) for item in items])
    torch.manual_seed(1)
    model = create_model(RECIPE, size)
    labels = torch.tensor([float(item.label or 0) for item in items])
    fit(model, torch.from_numpy(to_input(canvases, size)), labels, 80)
    return model


@pytest.mark.slow
def test_the_probe_finds_a_marker_that_comes_with_the_label(tmp_path: Path) -> None:
    size = PreprocessRecipe(size=128, channels=1, mean=(0.5,), std=(0.5,))
    items = phantoms(tmp_path, 70, marker="label")
    marker, border, _ = probe_shortcuts(TorchMaps(fit_on(items, size), size, ["gradcam"]), items)
    assert marker["found"] and marker["change"]["high"] < 0 and "rests on the marker" in marker["sentence"]
    assert marker["auroc_before"] >= marker["auroc_after"]
    assert border["n"] == len(items)


@pytest.mark.slow
def test_the_probe_finds_no_marker_where_every_image_has_one(tmp_path: Path) -> None:
    size = PreprocessRecipe(size=128, channels=1, mean=(0.5,), std=(0.5,))
    items = phantoms(tmp_path, 70, marker="all")
    marker, *_ = probe_shortcuts(TorchMaps(fit_on(items, size), size, ["gradcam"]), items)
    assert marker["n"] > 40 and not marker["found"] and "no shortcut" in marker["sentence"]


@pytest.mark.parametrize(
    ("low", "high", "found", "words"),
    [
        (-0.9, -0.2, False, "certain but less than"),
        (-0.9, 0.2, False, "elsewhere (9 images): no"),
        (-9, -8, True, "rests on"),
    ],
)
def test_a_small_but_certain_move_is_told_from_none(low: float, high: float, found: bool, words: str) -> None:
    """An interval that left out 0 stood beside "no shortcut was found"."""
    change = Estimate(value=(low + high) / 2, low=low, high=high, method="t", n=9)
    assert words in _sentence(PARTS[0], change, found)


def test_a_covered_marker_is_gone_and_the_rest_stays(tmp_path: Path) -> None:
    items = phantoms(tmp_path, 4, marker="all")
    for item in items:
        grey = np.asarray(Image.open(item.path))
        mask = marker_mask(grey)
        assert mask.any() and mask.mean() < 0.1
        covered = cover(grey, mask)
        assert (covered[~mask] == grey[~mask]).all()
        assert covered[mask].mean() < grey[mask].mean()


def test_parts_that_are_rare_say_nothing(tmp_path: Path) -> None:
    rows = probe_shortcuts(TorchMaps(create_model(RECIPE, PREPROCESS), PREPROCESS, ["gradcam"]), squares(tmp_path, 9))
    assert [row["name"] for row in rows] == ["marker", "border", "hardware"]
    assert rows[0]["n"] < 8 and not rows[0]["found"] and "says nothing" in rows[0]["sentence"]
    assert rows[1]["n"] == 9 and rows[1]["change"]["value"] is not None


class Itself(MapSource):
    """A source whose map is the picture, so that it moves as the picture does."""

    recipe, methods = PREPROCESS, (Method("itself", "itself"),)

    def explain(self, batch: NDArray[np.float32], names: Sequence[str]) -> Maps:
        return Maps(self.score(batch), {"itself": batch[:, 0] + 1}, {})

    def score(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.full(len(batch), 0.5)


def test_maps_that_are_moved_back_the_wrong_way_went_unnoticed(tmp_path: Path) -> None:
    """Doubled shifts in place of none pass for an unsteady method."""
    items = []
    for number in range(6):
        pixels = np.zeros((64, 64), np.uint8)
        pixels[20 + number : 26 + number, 40 - number : 44 - number] = 200
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        items.append(Item(tmp_path / f"{number}.png", str(number)))
    found = check_methods(Itself(), items)["itself"]["checks"]["repeatability"]
    assert found["images"] == 6 and found["correlation"] == 1 and found["peak_shift"] == 0
