"""Maps of several networks as one, of layers that are never called, and from where on black is black."""

from __future__ import annotations

import pytest
import torch

from colles.core.errors import UsageError
from colles.core.recipe import ModelRecipe, PreprocessRecipe
from colles.learning.explain import TorchMaps
from colles.learning.explain.integrated_gradients import IntegratedGradients
from colles.learning.models import create_model
from colles.learning.models.ensemble import create_ensemble

SIZE = PreprocessRecipe(size=64)


def ensemble(name: str = "timm:test_resnet", location: str = "off") -> torch.nn.Module:
    torch.manual_seed(1)
    return create_ensemble(
        [create_model(ModelRecipe(name=name, weights="none", location=location), SIZE) for _ in "ab"]
    )


def test_an_ensemble_is_judged_like_one_network() -> None:
    """Its untrained twin was a single network, and the check by random weights ended in a KeyError."""
    source = TorchMaps(ensemble(), SIZE, ["gradcam", "input_gradient"])
    assert source.notes == ("gradcam looks at the features of the first of 2 networks",)
    layers = [layer for layer, _ in source.randomised(0)]
    assert len(layers) > 2 and len(source.untrained(0).model.members) == 2


def test_a_layer_that_is_never_called_is_refused_in_one_line() -> None:
    """It ended in an IndexError, on a name that the repair of another error had listed."""
    model = create_model(ModelRecipe(name="timm:test_efficientnet", weights="none", location="on"), SIZE).eval()
    with pytest.raises(UsageError, match=r"never calls backbone\.blocks by itself"):
        TorchMaps(model, SIZE, ["gradcam@backbone.blocks"])


def test_black_is_black_in_every_channel() -> None:
    """The lowest value of all channels tinted it, and what is black already was given a share."""
    model = create_model(ModelRecipe(name="timm:test_resnet", weights="none"), SIZE).eval()
    mean, std = (torch.tensor(values)[:, None, None] for values in (SIZE.mean, SIZE.std))
    grey = torch.zeros(1, 64, 64)
    grey[:, 20:44, 20:44] = torch.rand(24, 24, generator=torch.Generator().manual_seed(0))
    found = IntegratedGradients().attribute(model, ((grey - mean) / std)[None])[0]
    assert found[20:44, 20:44].abs().sum() > 0
    found[20:44, 20:44] = 0
    assert found.abs().max() < 1e-6
