"""The location head: its map, its targets, and boxes that move with the canvas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tiny_training import recipe
from torch import nn

from colles.core.errors import RecipeError
from colles.core.recipe import AugmentRecipe, ModelRecipe, PreprocessRecipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.checkpoint import describe_model, load_classifier, save_checkpoint
from colles.learning.explain import TorchMaps
from colles.learning.loaders.augment import augment_seeded, create_augment
from colles.learning.loaders.geometry import draw_matrix, move_boxes
from colles.learning.loaders.targets import boxes_inside, location_target
from colles.learning.models import LocationClassifier, can_locate, create_model
from colles.learning.models.location import PRIOR_LOGIT, map_evidence
from colles.learning.training.location import decide_location
from colles.learning.training.losses import label_loss, map_loss

TINY = "timm:test_efficientnet"


def build(size: int = 64) -> LocationClassifier:
    torch.manual_seed(0)
    preprocess = PreprocessRecipe(size=size, channels=1, mean=(0.5,), std=(0.5,))
    model = create_model(ModelRecipe(name=TINY, weights="none", location="on"), preprocess)
    assert isinstance(model, LocationClassifier)
    return model.eval()


def test_the_map_has_a_cell_every_sixteen_pixels() -> None:
    found = build().outputs(torch.randn(2, 1, 64, 64))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "logit": (2, 1),
        "embedding": (2, 256),
        "cam": (2, 1, 4, 4),
    }


def test_a_map_of_stride_eight_starts_as_the_coarser_one_that_its_weights_come_from(tmp_path: Path) -> None:
    coarse = build()
    save_file(coarse.state_dict(), tmp_path / "coarse.safetensors")
    recipe = ModelRecipe(name=TINY, weights=str(tmp_path / "coarse.safetensors"), location="on", location_stride=8)
    fine = create_model(recipe, PreprocessRecipe(size=64, channels=1, mean=(0.5,), std=(0.5,))).eval()
    image = torch.randn(2, 1, 64, 64)
    found, before = fine.outputs(image), coarse.outputs(image)
    assert found["cam"].shape == (2, 1, 8, 8)
    torch.testing.assert_close(found["embedding"], before["embedding"])
    assert isinstance(fine, LocationClassifier) and fine.pyramid.finest is not None
    assert not fine.pyramid.finest.weight.any()
    torch.testing.assert_close(fine.pyramid.out.weight, coarse.pyramid.out.weight)
    fine.train().training_outputs(image, {})["cam"].sum().backward()  # type: ignore[no-untyped-call]
    assert fine.pyramid.finest.weight.grad is not None and fine.pyramid.finest.weight.grad.any()


def test_a_checkpoint_and_the_untrained_twin_keep_the_maps_stride(tmp_path: Path) -> None:
    recipe = ModelRecipe(name=TINY, weights="none", location="on", location_stride=8)
    preprocess = PreprocessRecipe(size=64, channels=1, mean=(0.5,), std=(0.5,))
    model = create_model(recipe, preprocess).eval()
    file = save_checkpoint(model, tmp_path / "best.safetensors", describe_model(recipe, preprocess, model))
    again, _ = load_classifier(file)
    image = torch.randn(1, 1, 64, 64)
    torch.testing.assert_close(again.outputs(image), model.outputs(image))
    twin = TorchMaps(again, preprocess, ["auto"]).untrained(0)
    assert twin.explain(image.numpy(), ["location"]).maps["location"].shape == (1, 8, 8)


def test_an_untrained_map_says_nothing_of_the_image_at_any_size() -> None:
    for cells in (4, 28, 40):
        blank = torch.full((3, 1, cells, cells), PRIOR_LOGIT)
        torch.testing.assert_close(map_evidence(blank), torch.zeros(3, 1), atol=1e-4, rtol=0)


def test_the_score_learns_from_map_and_pooled_head() -> None:
    model = build().train()
    model.training_outputs(torch.randn(2, 1, 64, 64), {})["logit"].sum().backward()  # type: ignore[no-untyped-call]
    for part in (model.head.weight, model.pyramid.out.weight, model.mix.weight):
        assert part.grad is not None and part.grad.abs().sum() > 0


def test_every_parameter_belongs_to_the_backbone_or_to_the_new_layers() -> None:
    model = build()
    new = {id(part) for part in model.head_parameters()}
    assert {id(part) for part in model.pyramid.parameters()} < new
    assert len(new) + len(list(model.backbone_parameters())) == len(list(model.parameters()))


@pytest.mark.parametrize("name", ["simple_cnn", "timm:test_vit"])
def test_a_network_without_a_pyramid_cannot_locate(name: str) -> None:
    assert not can_locate(name)
    with pytest.raises(RecipeError, match=r"location|maps"):
        create_model(ModelRecipe(name=name, weights="none", location="on"), PreprocessRecipe(size=64))


def test_the_target_is_one_at_the_centre_and_falls_with_the_box() -> None:
    target = location_target(np.array([[32, 48, 96, 64]], np.float32), 128, 16)[0]
    assert target.shape == (8, 8)
    assert np.unravel_index(target.argmax(), target.shape) == (3, 4)
    assert target[3, 4] == 1.0 and (target == 1.0).sum() == 1
    assert target[3, 5] == pytest.approx(np.exp(-0.5 / (64 / 16 / 3) ** 2), rel=1e-5)
    assert target[4, 4] == pytest.approx(np.exp(-0.5 / 0.6**2), rel=1e-5)  # never narrower than 0.6 cells


def test_a_fracture_off_the_canvas_leaves_no_target() -> None:
    boxes = np.array([[-40, 10, -8, 30], [10, 10, 20, 20]], np.float32)
    assert len(boxes_inside(boxes, 64)) == 1
    assert (location_target(boxes[:1], 64, 16) == 0).all()


def test_the_map_loss_equals_the_papers_formula_by_hand() -> None:
    cam, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1.0, 0.5]]]])
    p = torch.sigmoid(cam).flatten()
    wanted = -((1 - p[0]) ** 2 * p[0].log() + 0.5**4 * p[1] ** 2 * (1 - p[1]).log())
    torch.testing.assert_close(map_loss(cam, target, torch.ones(1)), wanted)


def test_images_whose_fractures_are_unknown_leave_the_map_alone() -> None:
    cam = torch.randn(2, 1, 4, 4, requires_grad=True)
    map_loss(cam, torch.zeros(2, 1, 4, 4), torch.tensor([1.0, 0.0])).backward()  # type: ignore[no-untyped-call]
    assert cam.grad is not None and cam.grad[0].abs().sum() > 0 and (cam.grad[1] == 0).all()


def test_smoothing_moves_the_targets_and_weight_zero_leaves_images_out() -> None:
    logit, label = torch.tensor([[0.3], [5.0]]), torch.tensor([1.0, 0.0])
    wanted = nn.functional.binary_cross_entropy_with_logits(torch.tensor([0.3]), torch.tensor([0.95]))
    torch.testing.assert_close(label_loss(logit, label, torch.tensor([1.0, 0.0]), smoothing=0.1), wanted)


GEOMETRY = AugmentRecipe(
    flip=0.5, rotation=40, translation=0.1, scale=(0.7, 1.4), quarter_turn=0.5, brightness=0, contrast=0, noise=0
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 100), st.integers(20, 100))
def test_a_box_follows_the_bright_square_that_it_frames(seed: int, left: int, top: int) -> None:
    canvas = np.zeros((160, 160), np.uint8)
    canvas[top : top + 24, left : left + 24] = 255
    box = np.array([[left, top, left + 24, top + 24]], np.float32)
    moved, boxes = augment_seeded(create_augment(GEOMETRY, 128), torch.from_numpy(canvas)[None], seed, box)
    pixels = moved[0].numpy()
    rows, columns = np.nonzero(pixels > 127)
    inside = boxes_inside(boxes, 128)
    if not len(inside) or (boxes < 18).any() or (boxes > 110).any():
        return  # the square leaves the canvas
    assert (boxes[0, :2] + boxes[0, 2:]) / 2 == pytest.approx([columns.mean() + 0.5, rows.mean() + 0.5], abs=1.0)


def test_a_turn_by_ninety_degrees_swaps_the_sides_of_a_box() -> None:
    matrix = np.array([[0.0, -1.0, 99.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(move_boxes(np.array([[10, 20, 30, 60]], np.float32), matrix), [[40, 10, 80, 30]])


def test_without_changes_the_canvas_is_only_resized() -> None:
    plain = AugmentRecipe(flip=0, rotation=0, brightness=0, contrast=0, noise=0)
    np.testing.assert_array_equal(draw_matrix(plain, 64, 64), np.eye(2, 3))
    np.testing.assert_allclose(draw_matrix(plain, 128, 64)[:, :2], np.eye(2) / 2)


def test_gamma_blur_and_inversion_keep_size_and_type() -> None:
    recipe = AugmentRecipe(gamma=0.4, blur=1.0, invert=1.0, noise=0, brightness=0, contrast=0, flip=0, rotation=0)
    canvas = torch.zeros(1, 32, 32, dtype=torch.uint8)
    changed, _ = augment_seeded(create_augment(recipe, 32), canvas, 1)
    assert changed.dtype == torch.uint8 and changed.shape == (1, 32, 32) and (changed == 255).all()


def test_each_image_draws_its_own_noise_up_to_the_largest() -> None:
    recipe = AugmentRecipe(noise=0.1, brightness=0, contrast=0, flip=0, rotation=0)
    grey = torch.full((1, 64, 64), 128, dtype=torch.uint8)
    spreads = [float(augment_seeded(create_augment(recipe, 64), grey, seed)[0].float().std()) for seed in range(20)]
    assert max(spreads) <= 0.1 * 255 * 1.1 and min(spreads) < 8 and max(spreads) > 16


def test_jpeg_leaves_its_blocks_behind() -> None:
    recipe = AugmentRecipe(jpeg=1.0, noise=0, brightness=0, contrast=0, flip=0, rotation=0)
    canvas = torch.randint(0, 255, (1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    changed, _ = augment_seeded(create_augment(recipe, 64), canvas, 1)
    assert changed.dtype == torch.uint8 and changed.shape == (1, 64, 64) and not torch.equal(changed, canvas)
    again, _ = augment_seeded(create_augment(recipe, 64), canvas, 1)
    assert torch.equal(changed, again)


@pytest.mark.parametrize("location", ["on", "auto"])
def test_cells_that_do_not_tile_the_canvas_are_refused(location: str) -> None:
    """Bug: at 300 px some networks ended in a defect, others drew their maps up to 15 px from where they were."""
    boxes = pl.DataFrame({"image_id": ["a"], "boxes": [[{"x1": 0.0, "y1": 0.0, "x2": 1.0, "y2": 1.0, "name": None}]]})
    split = Split(pl.DataFrame({"image_id": ["a"], "group_id": ["a"], "subset": ["train"]}), {})
    settings = recipe(f"model.location={location}", "preprocess.size=300")
    with pytest.raises(RecipeError, match=r"multiple of 32 pixels, not 300.*288 or 320"):
        decide_location(settings, Catalog(boxes), split)
    assert decide_location(recipe("model.location=off", "preprocess.size=300"), Catalog(boxes), split)


def test_an_unknown_network_is_told_before_it_is_asked_for_its_features() -> None:
    """Bug: a misspelt name ended in a defect where train had boxes."""
    with pytest.raises(RecipeError, match=r"unknown model 'resnt50'.*Did you mean 'resnet50'"):
        can_locate("resnt50")
