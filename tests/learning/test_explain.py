from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import PREPROCESS
from torch import Tensor, nn

from colles.core.errors import UsageError
from colles.core.recipe import ModelRecipe, PreprocessRecipe
from colles.imaging.heatmap import locate_peak, peak, unletterbox
from colles.imaging.preprocess import to_input
from colles.learning.explain import EXPLAINERS, TorchMaps, create_explainer
from colles.learning.explain.explainers import default_method
from colles.learning.models import MODELS, FractureClassifier, create_model
from colles.serving.decode import Sample, decode
from colles.serving.maps import TARGETS

TIMM_MODELS = sorted(set(MODELS) - {"simple_cnn"})


class Bright(FractureClassifier):
    """Its map is the squared brightness of each 4 × 4 cell, so each method must point at what is brightest."""

    name = "bright"

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 1)
        nn.init.ones_(self.head.weight)

    def _maps(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x[:, :1].square(), 4)

    def _embed(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))

    def backbone_modules(self) -> list[nn.Module]:
        return []


def heat_of(path: Path, method: str) -> tuple[np.ndarray, tuple[float, float]]:
    recipe = PreprocessRecipe(size=128, channels=1, mean=(0.0,), std=(1.0,))
    sample = decode(path, recipe)
    assert isinstance(sample, Sample)
    native = native_of(Bright().eval(), method, sample, recipe)
    return unletterbox(native, sample.place), locate_peak(native, sample.place)


def native_of(model: FractureClassifier, method: str, sample: Sample, recipe: PreprocessRecipe) -> np.ndarray:
    return TorchMaps(model, recipe, [method]).explain(to_input(sample.canvas[None], recipe), [method]).maps[method][0]


@pytest.mark.parametrize("method", ["gradcam", "input_gradient"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("shape", [(150, 400), (400, 150)])
def test_the_peak_stays_in_a_square_planted_in_any_corner(
    tmp_path: Path, method: str, orientation: int, corner: tuple[int, int], shape: tuple[int, int]
) -> None:
    pixels = np.full(shape, 30, np.uint8)
    top, left = (index * (length - 24) for index, length in zip(corner, shape, strict=True))
    pixels[top : top + 24, left : left + 24] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path, exif=exif)
    with Image.open(path) as image:
        from PIL import ImageOps

        shown = np.asarray(ImageOps.exif_transpose(image))
    heat, refined = heat_of(path, method)
    assert heat.shape == shown.shape and heat.min() >= 0
    for x, y in (peak(heat), refined):
        assert shown[int(y), int(x)] == 255


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam", "occlusion", "scorecam", "cam", "smoothgrad"])
def test_every_method_points_at_the_brightest_place(tmp_path: Path, method: str) -> None:
    pixels = np.full((90, 120), 30, np.uint8)
    pixels[50:74, 80:104] = 255
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    for x, y in (peak(heat_of(path, method)[0]), heat_of(path, method)[1]):
        assert pixels[int(y), int(x)] == 255


def test_a_method_looks_at_the_layer_that_is_named() -> None:
    model = create_model(ModelRecipe(name="timm:test_resnet", weights="none"), PREPROCESS).eval()
    x = torch.randn(1, 3, 64, 64)
    early = create_explainer("layercam@backbone.layer1").attribute(model, x)
    last = create_explainer("layercam").attribute(model, x)
    assert early.shape[-1] > last.shape[-1]
    with pytest.raises(UsageError, match=r"Did you mean 'backbone.layer1'"):
        create_explainer("gradcam@backbone.layer11").attribute(model, x)
    with pytest.raises(UsageError, match="no spatial features"):
        create_explainer("gradcam@head").attribute(model, x)
    with pytest.raises(UsageError, match="looks at no layer"):
        create_explainer("occlusion@head")


def test_the_other_target_is_what_lowers_the_score() -> None:
    torch.manual_seed(2)
    model = create_model(ModelRecipe(name="timm:test_resnet", weights="none"), PREPROCESS).eval()
    nn.init.normal_(model.head.weight)
    x = torch.randn(2, 3, 64, 64)
    one, other = (create_explainer("cam", target).attribute(model, x) for target in TARGETS)
    with torch.no_grad():
        cam = model.outputs(x)["cam"][:, 0] - model.head.bias
    assert (one * other == 0).all() and torch.allclose(one - other, cam)
    assert torch.allclose(create_explainer("input_gradient", "no_fracture").attribute(model, x),
                          create_explainer("input_gradient").attribute(model, x))  # fmt: skip
    with pytest.raises(UsageError, match="unknown target"):
        create_explainer("gradcam", "normal")


def test_a_model_that_learned_from_boxes_shows_its_own_map() -> None:
    recipe = ModelRecipe(name="timm:test_efficientnet", weights="none", location="on")
    model = create_model(recipe, PREPROCESS).eval()
    assert default_method(model) == "location"
    x = torch.randn(2, 3, 64, 64)
    found = create_explainer("location").attribute(model, x)
    with torch.no_grad():
        assert torch.equal(found, torch.sigmoid(model.outputs(x)["cam"][:, 0]))
    assert found.shape[1:] == (4, 4)  # stride 16
    assert "no class activation map" in str(create_explainer("cam").refusal(model))
    plain = create_model(recipe.model_copy(update={"location": "off"}), PREPROCESS)
    assert default_method(plain) == "gradcam" and create_explainer("cam").refusal(plain) is None
    assert "no location map" in str(create_explainer("location").refusal(plain))


def test_smoothgrad_draws_the_same_noise_each_time_and_leaves_the_seed_alone() -> None:
    model, x = Bright().eval(), torch.rand(1, 1, 32, 32)
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    one, other = (create_explainer("smoothgrad").attribute(model, x) for _ in range(2))
    assert torch.equal(one, other) and torch.equal(torch.rand(1), wanted)


@pytest.mark.parametrize("name", ["timm:test_resnet", "timm:test_efficientnet"])
def test_gradcam_is_the_positive_part_of_the_graphs_map(name: str) -> None:
    torch.manual_seed(1)
    model = create_model(ModelRecipe(name=name, weights="none"), PREPROCESS).eval()
    nn.init.normal_(model.head.weight)
    x = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        cam = model.outputs(x)["cam"][:, 0] - model.head.bias
    found = create_explainer("gradcam").attribute(model, x)
    assert found.min() >= 0 and found.max() > 0
    scale = (found.sum() / cam.clamp(min=0).sum()).item()
    assert found.numpy() == pytest.approx(scale * cam.clamp(min=0).numpy(), rel=1e-4, abs=1e-6 * scale)


@pytest.mark.parametrize(
    "name", ["timm:test_resnet", "simple_cnn", *(pytest.param(name, marks=pytest.mark.slow) for name in TIMM_MODELS)]
)
def test_every_network_is_explained_without_naming_a_layer(name: str) -> None:
    model = create_model(ModelRecipe(name=name, weights="none"), PREPROCESS).eval()
    model.learn_stages(0)
    x = torch.randn(1, 3, 64, 64)
    for method in EXPLAINERS:
        for target in TARGETS:
            explainer = create_explainer(method, target)
            if explainer.refusal(model) is not None:
                assert method in ("cam", "location")
                continue
            found = explainer.attribute(model, x)
            assert found.ndim == 3 and found.min() >= 0 and not found.requires_grad and found.dtype == torch.float32


class Dead(Bright):
    """Sees nothing."""

    def _maps(self, x: Tensor) -> Tensor:
        return super()._maps(x) * 0


def test_a_map_that_is_zero_everywhere_stays_zero() -> None:
    recipe = PreprocessRecipe(size=64, channels=1, mean=(0.5,), std=(0.5,))
    sample = decode(np.full((20, 30), 9, np.uint8), recipe)
    assert isinstance(sample, Sample)
    for method in ("gradcam", "gradcam++", "layercam", "input_gradient", "occlusion", "scorecam"):
        native = native_of(Dead().eval(), method, sample, recipe)
        assert not native.any() and locate_peak(native, sample.place) is None
