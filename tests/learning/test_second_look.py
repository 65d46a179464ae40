"""A second look: places that a map proposes, cut out and judged again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
import torch
from pytorch_lightning import Callback, Trainer
from tiny_training import Data, recipe
from torch import Tensor

from colles.core.errors import CollesError, RecipeError
from colles.core.recipe import ExportRecipe, ModelRecipe, PreprocessRecipe
from colles.datasets.split import make_split
from colles.learning.checkpoint import describe_model, load_classifier, save_checkpoint
from colles.learning.explain import TorchMaps
from colles.learning.export import export_bundle
from colles.learning.loaders.targets import MOST_BOXES, location_target, padded
from colles.learning.models import LocationClassifier, SecondLook, create_model
from colles.learning.models.second_look import PLACES, SHARE, expect, propose
from colles.learning.onnx_graph import export_graph
from colles.learning.training import train
from colles.learning.training.location import decide_location
from colles.learning.training.losses import look_loss
from colles.serving.bundle import load_bundle
from colles.serving.predictor import Predictor

TINY = "timm:test_efficientnet"
PREPROCESS = PreprocessRecipe(size=128, channels=1, mean=(0.5,), std=(0.5,))


def build(weights: str = "none", look: str = "on") -> SecondLook | LocationClassifier:
    torch.manual_seed(0)
    model = create_model(ModelRecipe(name=TINY, weights=weights, location="on", second_look=look), PREPROCESS)
    assert isinstance(model, SecondLook if look == "on" else LocationClassifier)
    return model.eval()  # type: ignore[return-value]


def look() -> SecondLook:
    model = build()
    assert isinstance(model, SecondLook)
    return model


def batch(boxes: list[list[float]], located: float = 1.0) -> dict[str, Tensor]:
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return {"boxes": torch.from_numpy(padded(rows))[None], "located": torch.tensor([located])}


def test_proposed_are_the_highest_local_maxima_at_the_middle_of_their_cells() -> None:
    cam = torch.full((1, 1, 8, 8), -5.0)
    cam[0, 0, 2, 3], cam[0, 0, 2, 4], cam[0, 0, 6, 1] = 2.0, 1.9, 0.0
    assert propose(cam, 16)[0, :2].tolist() == [[56.0, 40.0], [24.0, 104.0]]


def test_a_place_is_cut_about_its_centre_and_enlarged() -> None:
    model = look()
    image = torch.full((2, 1, 128, 128), -1.0)
    image[1, 0, 60:64, 90:94] = 1.0
    cut = model._cut(image, torch.tensor([[[20.0, 20.0], [40.0, 40.0]], [[92.0, 62.0], [20.0, 110.0]]]))
    assert cut.shape == (4, 1, model.side, model.side)
    assert (cut[[0, 1, 3]] == -1).all()
    rows, columns = np.nonzero(cut[2, 0].numpy() > 0)
    assert rows.mean() == columns.mean() == (model.side - 1) / 2
    assert np.ptp(rows) + 1 == pytest.approx(4 * model.side / model.reach, abs=1)


@pytest.mark.parametrize("size", [64, 192])
def test_places_were_cut_elsewhere_in_images_of_another_size_than_the_networks(size: int) -> None:
    """With train.progressive, or as a teacher of a smaller network: centres are in pixels of the image it is shown."""
    model = look()
    image = torch.full((1, 1, size, size), -1.0)
    image[0, 0, 40:44, 30:34] = 1.0
    rows, columns = np.nonzero(model._cut(image, torch.tensor([[[32.0, 42.0]]]))[0, 0].numpy() > 0)
    assert rows.mean() == columns.mean() == (model.side - 1) / 2


def test_a_place_at_the_edge_is_filled_with_what_lies_there() -> None:
    cut = look()._cut(torch.full((1, 1, 128, 128), -1.0), torch.tensor([[[0.0, 128.0]]]))
    assert (cut == -1).all()


def test_a_place_about_a_box_expects_the_target_of_its_own_pixels() -> None:
    model = look()
    box = [40.0, 50.0, 60.0, 58.0]
    found = expect(**batch([box]), centres=torch.tensor([[[44.0, 60.0]]]), reach=model.reach, cells=model.side // 16)
    corner = np.array([44.0, 60.0] * 2) - model.reach / 2
    moved = ((np.array(box) - corner) * model.side / model.reach).astype(np.float32)
    torch.testing.assert_close(found["look_target"][0, 0].numpy(), location_target(moved[None], model.side, 16)[0])
    assert found["look_label"].item() == found["look_known"].item() == 1


@pytest.mark.parametrize(
    ("boxes", "located", "label", "known"),
    [
        ([], 1.0, 0, 1),
        ([], 0.0, 0, 0),
        ([[100, 100, 120, 120]], 1.0, 0, 1),
        ([[60, 20, 120, 40]], 1.0, 0, 0),
        ([[20, 20, 40, 40]], 1.0, 1, 1),
    ],
    ids=["nothing there", "fractures unknown", "elsewhere", "a part of a box", "a box"],
)
def test_what_a_place_shows(boxes: list[list[float]], located: float, label: float, known: float) -> None:
    found = expect(**batch(boxes, located), centres=torch.tensor([[[40.0, 40.0]]]), reach=50.0, cells=5)
    assert (found["look_label"].item(), found["look_known"].item()) == (label, known)


def test_more_boxes_than_a_batch_holds_are_cut_off() -> None:
    assert padded(np.ones((MOST_BOXES + 3, 4), np.float32)).shape == (MOST_BOXES, 4)


def test_the_score_is_the_first_looks_and_a_share_of_the_likeliest_place(tmp_path: Path) -> None:
    model, image = look(), torch.randn(3, 1, 128, 128)
    found, before = model.outputs(image), model.first.outputs(image)
    seen = model.look(model._cut(image, propose(before["cam"], 16))).reshape(3, PLACES)
    torch.testing.assert_close(found["logit"], before["logit"] + SHARE * seen.amax(1, keepdim=True))
    torch.testing.assert_close(found["cam"], before["cam"])
    torch.testing.assert_close(found["embedding"], before["embedding"])


def test_it_starts_from_a_finished_network_and_leaves_it_alone(tmp_path: Path) -> None:
    first = build(look="off")
    file = save_checkpoint(first, tmp_path / "first.safetensors", {})
    model = build(str(file))
    assert isinstance(model, SecondLook)
    for key, value in first.state_dict().items():
        torch.testing.assert_close(model.first.state_dict()[key], value)
        torch.testing.assert_close(model.look.state_dict()[key], value)
    model.learn_stages(None)
    model.train()
    assert not model.first.training and not any(part.requires_grad for part in model.first.parameters())
    image = torch.randn(4, 1, 128, 128)
    several = {name: value.repeat_interleave(4, 0) for name, value in batch([[30, 30, 60, 60]]).items()}
    loss = look_loss(model.training_outputs(image, several), 0.3)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(part.grad is not None for part in model.look.parameters())
    for key, value in first.state_dict().items():
        torch.testing.assert_close(model.first.state_dict()[key], value)


def test_a_training_looked_beside_the_canvas_for_a_box_that_augmentation_had_moved_there() -> None:
    """It was taught that the repeated edge is a fracture; only boxes with their centre on the canvas are looked at."""
    model = look()
    boxes = batch([[150, 40, 170, 60], [40, 40, 60, 60]])["boxes"].repeat_interleave(64, 0)
    centres = model._draw(torch.full((64, PLACES, 2), 20.0), boxes, 128)
    assert (centres[:, 0] - 50.0).abs().max() < 0.3 * model.reach


def test_a_training_sees_one_place_near_a_box_of_each_image_that_has_one() -> None:
    model = look().train()
    assert isinstance(model, SecondLook)
    several = {name: value.repeat_interleave(16, 0) for name, value in batch([[30, 30, 60, 60]]).items()}
    found = model.training_outputs(torch.randn(16, 1, 128, 128), several)
    assert found["look_label"].reshape(16, 2)[:, 0].all()


def test_a_checkpoint_and_the_untrained_twin_keep_it(tmp_path: Path) -> None:
    named = ModelRecipe(name=TINY, weights="none", location="on", second_look="on")
    model = create_model(named, PREPROCESS).eval()
    file = save_checkpoint(model, tmp_path / "best.safetensors", describe_model(named, PREPROCESS, model))
    again, _ = load_classifier(file)
    image = torch.randn(2, 1, 128, 128)
    torch.testing.assert_close(again.outputs(image), model.outputs(image))
    maps = TorchMaps(again, PREPROCESS, ["location", "gradcam"])
    assert maps.explain(image.numpy(), ["gradcam"]).maps["gradcam"].shape == (2, 4, 4)
    twin = maps.untrained(0)
    assert isinstance(twin.model, SecondLook)
    assert twin.explain(image[:1].numpy(), ["location"]).maps["location"].shape == (1, 8, 8)


@pytest.mark.slow
def test_its_graph_gives_the_same_answers() -> None:
    model = look()
    session = onnxruntime.InferenceSession(export_graph(model, PREPROCESS), providers=["CPUExecutionProvider"])
    image = torch.randn(3, 1, 128, 128)
    with torch.no_grad():
        wanted = model.outputs(image)
    for count in (1, 3):
        found = session.run(["logit", "embedding", "cam"], {"image": image[:count].numpy()})
        for name, value in zip(("logit", "embedding", "cam"), found, strict=True):
            np.testing.assert_allclose(value, wanted[name][:count].numpy(), atol=2e-5)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = create_model(ModelRecipe(name="simple_cnn", weights="none"), PREPROCESS)
    file = save_checkpoint(other, tmp_path / "other.safetensors", {})
    with pytest.raises(CollesError, match="another network"):
        build(str(file))


class StopInSecond(Callback):
    """Stop a training before its second epoch is kept."""

    def on_train_epoch_end(self, trainer: Trainer, *arguments: Any) -> None:
        if trainer.current_epoch == 1:
            raise RuntimeError("stopped")


@pytest.fixture
def boxed(data: Data) -> Data:
    """Return the drawn images with a box about each bright spot."""
    catalog = data[0]
    box = pl.struct(x1=pl.lit(14.0), y1=pl.lit(14.0), x2=pl.lit(22.0), y2=pl.lit(22.0), name=pl.lit(None, pl.String))
    boxes = pl.when(pl.col("label") == 1).then(pl.concat_list(box)).otherwise(pl.lit([]))
    marked = catalog.with_columns(boxes=boxes.cast(catalog.frame.schema["boxes"]))
    return marked, make_split(marked, recipe().split)


@pytest.mark.slow
def test_a_run_looks_again_and_becomes_a_bundle_after_a_stop_as_without_one(boxed: Data, tmp_path: Path) -> None:
    located = ("preprocess.size=64", "train.head_epochs=0", "model.location=auto")
    first = train(*boxed, recipe(*located, "train.epochs=1"), tmp_path / "first")
    again = recipe(*located, f"model.weights={first}", "model.second_look=on", "train.ema=0.9")
    whole = train(*boxed, again, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="stopped"):
        train(*boxed, again, tmp_path / "cut", callbacks=[StopInSecond()])
    train(*boxed, again, tmp_path / "cut", resume=True)
    assert _weights(tmp_path / "cut") == _weights(whole)
    known, model = load_classifier(first)[0], load_classifier(whole)[0]
    assert isinstance(model, SecondLook)
    for key, value in known.state_dict().items():
        torch.testing.assert_close(model.first.state_dict()[key], value, rtol=0, atol=0)
    out = export_bundle(
        whole, tmp_path / "bundle", evaluation=None, catalog=boxed[0], recipe=ExportRecipe(half=True), split=boxed[1]
    )
    answer = Predictor(load_bundle(out), gate=False).predict(boxed[0].frame["path"][0])
    assert answer.status == "ok" and answer.score is not None
    assert "with a second look at the places that its map proposes" in (out / "MODEL_CARD.md").read_text("utf-8")


def _weights(run: Path) -> bytes:
    return (run / "checkpoints" / "best.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("model.weights=none", "finished network"),
        ("model.location=off", "finished network"),
        ("preprocess.size=32", "64 pixels or more"),
        ("train.progressive=[32, 64]", "64 pixels or more, not 32"),
        ("train.mixup=0.2", "no mixup"),
        ("train.teachers=[other]", "no teachers"),
    ],
)
def test_a_second_look_without_what_it_needs_is_refused(boxed: Data, setting: str, told: str) -> None:
    asked = recipe("preprocess.size=64", "model.location=on", "model.second_look=on", "model.weights=run", setting)
    with pytest.raises(RecipeError, match=told):
        decide_location(asked, *boxed)
