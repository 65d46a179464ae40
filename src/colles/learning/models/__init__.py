"""Networks by name. To add one: a file with a subclass of FractureClassifier, and a line in MODELS."""

from __future__ import annotations

from collections.abc import Callable

import timm
from torch import nn

from colles.core.errors import RecipeError
from colles.core.names import nearest
from colles.core.recipe import NAMED_WEIGHTS, ModelRecipe, PreprocessRecipe
from colles.learning.models.base import FractureClassifier, count_parameters
from colles.learning.models.location import LocationClassifier, pyramid_stages
from colles.learning.models.pretrained import LITE0, hub_backbone, lite0_backbone, load_local, warm_backbone
from colles.learning.models.second_look import SecondLook
from colles.learning.models.simple_cnn import SimpleCNN
from colles.learning.models.timm_backbone import TimmClassifier, assert_grows, create_backbone

Builder = Callable[[ModelRecipe, PreprocessRecipe], FractureClassifier]
TIMM_PREFIX = "timm:"

__all__ = [
    "MODELS",
    "FractureClassifier",
    "LocationClassifier",
    "SecondLook",
    "SimpleCNN",
    "TimmClassifier",
    "assert_grows",
    "can_locate",
    "count_parameters",
    "create_model",
]


def _simple_cnn(recipe: ModelRecipe, preprocess: PreprocessRecipe) -> FractureClassifier:
    if recipe.weights in ("imagenet", "lite0"):
        raise RecipeError(
            "simple_cnn has no pretrained weights", field="model.weights", repair="Set model.weights=none"
        )
    if recipe.location == "on":
        raise RecipeError(
            "simple_cnn cannot have a location head", field="model.location", repair="Set model.location=off"
        )
    return SimpleCNN(size=preprocess.size, channels=preprocess.channels, dropout=recipe.dropout)


def _from_timm(timm_name: str) -> Builder:
    def build(recipe: ModelRecipe, preprocess: PreprocessRecipe) -> FractureClassifier:
        weights_from = None
        if recipe.weights == "lite0":
            backbone, weights_from = warm_backbone(timm_name, preprocess.channels)
        elif recipe.weights != "imagenet":
            backbone = create_backbone(timm_name, channels=preprocess.channels)
        elif timm_name == LITE0:
            backbone, weights_from = lite0_backbone(preprocess.channels)
        else:
            backbone, weights_from = hub_backbone(timm_name, preprocess.channels)
        model = _classifier(backbone, recipe, preprocess)
        if weights_from is not None:
            model.weights_from, model.pretrained = weights_from, True
        return model

    return build


def _classifier(backbone: nn.Module, recipe: ModelRecipe, preprocess: PreprocessRecipe) -> FractureClassifier:
    size, channels, dropout = preprocess.size, preprocess.channels, recipe.dropout
    if recipe.location != "on":
        return TimmClassifier(recipe.name, backbone, size=size, channels=channels, dropout=dropout)
    stride = recipe.location_stride
    first = LocationClassifier(recipe.name, backbone, size=size, channels=channels, dropout=dropout, stride=stride)
    return SecondLook(first, size=size) if recipe.second_look == "on" else first


MODELS: dict[str, Builder] = {
    "simple_cnn": _simple_cnn,
    "resnet50": _from_timm("resnet50"),
    "efficientnet_b0": _from_timm("efficientnet_b0"),
    "efficientnet_lite0": _from_timm(LITE0),
}


def create_model(recipe: ModelRecipe, preprocess: PreprocessRecipe) -> FractureClassifier:
    """Create the network that a recipe names, with the weights that it starts from.

    A location head is there where `model.location` is `on`; `auto` is for training to decide, and means none here.

    Raise `RecipeError` for an unknown name, `MissingInputError` for weights that are not there.
    """
    model = _builder(recipe.name)(recipe, preprocess)
    if recipe.weights not in NAMED_WEIGHTS:
        model.weights_from, model.pretrained = load_local(model, recipe.weights), True
    return model


def can_locate(name: str) -> bool:
    """Tell whether the network that a recipe names can have a location head; raise `RecipeError` for an unknown one."""
    _builder(name)
    if name == "simple_cnn":
        return False
    timm_name = {"efficientnet_lite0": LITE0}.get(name, name.removeprefix(TIMM_PREFIX))
    return pyramid_stages(create_backbone(timm_name, channels=1)) is not None


def _builder(name: str) -> Builder:
    if name in MODELS:
        return MODELS[name]
    timm_name = name.removeprefix(TIMM_PREFIX)
    if name.startswith(TIMM_PREFIX) and timm.is_model(timm_name):
        return _from_timm(timm_name)
    known = [TIMM_PREFIX + each for each in timm.list_models()] if name.startswith(TIMM_PREFIX) else [*MODELS]
    guess = TIMM_PREFIX + name if timm.is_model(name) else nearest(name, known)
    repair = f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(MODELS)}, or timm:NAME"
    raise RecipeError(f"unknown model {name!r}", field="model.name", repair=repair)
