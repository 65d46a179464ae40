"""Each method against its published formula, on a network whose places weigh differently."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from colles.core.recipe import ModelRecipe, PreprocessRecipe
from colles.learning.explain import create_explainer
from colles.learning.models import FractureClassifier, create_model
from colles.serving.maps import TARGETS

SIZE = PreprocessRecipe(size=32, channels=1, mean=(0.5,), std=(0.5,))


@pytest.fixture
def network() -> FractureClassifier:
    torch.manual_seed(3)
    return create_model(ModelRecipe(name="simple_cnn", weights="none"), SIZE).eval()


@pytest.fixture
def x() -> Tensor:
    return torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def both(method: str, network: FractureClassifier, x: Tensor) -> Tensor:
    """Return what speaks for a fracture minus what speaks against one."""
    one, other = (create_explainer(method, target).attribute(network, x) for target in TARGETS)
    return one - other


def features(network: FractureClassifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last maps and the logits' gradient by them, without hooks."""
    maps = network.features(x).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.head(network._embed(maps)).sum(), maps)
    return maps.detach(), gradient


def test_gradcam_is_captums(network: FractureClassifier, x: Tensor) -> None:
    wanted = LayerGradCam(network, network.last_feature_layer).attribute(x, target=0)[:, 0]
    found = both("gradcam", network, x)
    assert found.abs().max() > 0 and torch.allclose(found, wanted, rtol=1e-4, atol=1e-7)


def test_layercam_and_gradcam_plus_are_their_formulas(network: FractureClassifier, x: Tensor) -> None:
    maps, gradient = features(network, x)
    positive = gradient.clamp(min=0)
    assert torch.allclose(create_explainer("layercam").attribute(network, x), (positive * maps).sum(1).clamp(min=0))
    total = maps.sum((2, 3), keepdim=True)
    share = (gradient**2 / (2 * gradient**2 + total * gradient**3)).nan_to_num(0)
    wanted = ((share * positive).sum((2, 3), keepdim=True) * maps).sum(1).clamp(min=0)
    assert torch.allclose(create_explainer("gradcam++").attribute(network, x), wanted, rtol=1e-4, atol=1e-7)


def test_integrated_gradients_add_up_to_the_logits_rise_from_black(network: FractureClassifier, x: Tensor) -> None:
    with torch.no_grad():
        black = x.amin(dim=(2, 3), keepdim=True).expand_as(x)
        rise = (network(x) - network(black))[:, 0]
    assert torch.allclose(both("integrated_gradients", network, x).sum((1, 2)), rise, atol=2e-3)


def test_covering_a_place_that_is_the_mean_already_changes_nothing(network: FractureClassifier) -> None:
    even = torch.full((1, 1, 32, 32), 0.7)
    assert both("occlusion", network, even).abs().max() < 1e-5


class TwoPlaces(FractureClassifier):
    """One feature map is the left half, the other the right; only what is bright on the left speaks for a fracture."""

    name = "two places"

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 1)

    def _maps(self, x: Tensor) -> Tensor:
        halves = torch.zeros(len(x), 2, 8, 8)
        halves[:, 0, :, :4], halves[:, 1, :, 4:] = 1, 1
        return halves + 0 * x.sum()  # as of the image, so that a gradient can be asked for

    def _embed(self, features: Tensor) -> Tensor:
        return features.mean((1, 2, 3))[:, None]

    def forward(self, x: Tensor) -> Tensor:
        self.features(x)
        return 9 * (x[..., :16].mean((1, 2, 3)) - x[..., 16:].mean((1, 2, 3)))[:, None]

    def backbone_modules(self) -> list[nn.Module]:
        return []


def test_scorecam_weighs_a_map_by_the_score_that_it_lets_through() -> None:
    x = torch.full((1, 1, 32, 32), 0.9)
    x[:, :, 0] = -1.0
    found = create_explainer("scorecam").attribute(TwoPlaces().eval(), x)[0]
    assert found[:, :4].min() > 0.99 and found[:, 4:].max() < 0.01
