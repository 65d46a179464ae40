"""Save a classifier as safetensors + JSON, and load one from a run folder, a bundle or a file. No pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from colles.core.errors import BundleError
from colles.core.files import read_json, write_bytes, write_json
from colles.core.recipe import ModelRecipe, PreprocessRecipe
from colles.core.recipe_text import load_recipe
from colles.learning.models import create_model
from colles.learning.models.base import FractureClassifier
from colles.learning.models.ensemble import count_members, create_ensemble
from colles.learning.weights_file import ENDING, find_weights

SCHEMA_VERSION = 1
_LARGE = 8192
_DESCRIBED = ("name", "dropout", "location", "location_stride", "second_look")
"""Settings of the network, without which its weights mean nothing."""


def describe_model(recipe: ModelRecipe, preprocess: PreprocessRecipe, model: FractureClassifier) -> dict[str, Any]:
    """Return the JSON that rebuilds a network without its weights: architecture, preprocessing, origin."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {name: getattr(recipe, name) for name in _DESCRIBED},
        "preprocessing": preprocess.model_dump(mode="json"),
        "weights_from": model.weights_from,
    }


def save_checkpoint(model: nn.Module, path: str | Path, meta: Mapping[str, Any]) -> Path:
    """Write the weights to `path` (.safetensors, or a folder: model.safetensors in it), `meta` as JSON beside.

    Each file is replaced as a whole, so a kill leaves the earlier or the later one.
    """
    file = Path(path)
    file = file if file.suffix == ENDING else file / f"model{ENDING}"
    save_weights(model, file)
    write_json(file.with_suffix(".json"), dict(meta))
    return file


def save_weights(model: nn.Module, file: Path, *, half: bool = False) -> Path:
    """Write the weights alone as .safetensors; with `half` those of `halved` in 16 bits."""
    state: dict[str, Tensor] = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if half:
        state = {key: value.half() if halved(value) else value for key, value in state.items()}
    # Through the bytes: the library's own files can be read by their owner alone.
    return write_bytes(file, save(state))


def halved(value: Tensor) -> bool:
    """Tell whether 16 bits suffice for a tensor: for large kernels and matrices, which are nearly all there is.

    Small ones, and batch norm's variances, weigh nothing, and rounding them moves scores tenfold (docs/experiments.md).
    """
    return value.is_floating_point() and value.dim() > 1 and value.numel() >= _LARGE


def load_classifier(folder: str | Path) -> tuple[FractureClassifier, PreprocessRecipe]:
    """Load a run's best checkpoint, a bundle, or one .safetensors file, on the CPU and in evaluation mode.

    A checkpoint's `prior_shift` is added to its logits; a bundle's weights have it in them.

    Raise `MissingInputError` where there is none, `BundleError` where weights and architecture do not agree.
    """
    weights = find_weights(Path(folder))
    recipe, preprocess, weights_from, prior_shift = _architecture(weights)
    try:
        state = load_file(str(weights))
    except (SafetensorError, OSError) as error:
        raise BundleError(f"the weights cannot be read ({error})", path=weights, repair="Copy it again") from error
    model = create_ensemble([create_model(recipe, preprocess) for _ in range(count_members(state))])
    _load_strictly(model, state, weights)
    if prior_shift:
        with torch.no_grad():
            model.last_bias.add_(prior_shift)
    model.weights_from = weights_from
    model.eval()
    return model, preprocess


def _architecture(weights: Path) -> tuple[ModelRecipe, PreprocessRecipe, str, float]:
    beside = weights.with_suffix(".json")
    metadata = beside if beside.is_file() else weights.parent / "metadata.json"
    values = read_json(metadata)
    recipe_file = weights.parent / "recipe.yaml"
    try:
        origin = str(values.get("weights_from") or values.get("training", {}).get("weights_from") or "unknown")
        if metadata.name == "metadata.json" and recipe_file.is_file():
            recipe = load_recipe(recipe_file)
            named, preprocess = recipe.model, recipe.preprocess
        else:
            known = {key: values["model"][key] for key in _DESCRIBED if key in values["model"]}
            named, preprocess = ModelRecipe(**known), PreprocessRecipe.model_validate(values["preprocessing"])
        shift = float(values.get("prior_shift") or 0.0)
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # pydantic's errors are ValueErrors
        reason = " ".join(str(error).split())
        raise BundleError(
            f"does not say which network it is ({reason})", path=metadata, repair="Export again"
        ) from error
    # The weights come from the file beside, so nothing is to be downloaded first.
    return named.model_copy(update={"weights": "none"}), preprocess, origin, shift


def _load_strictly(model: FractureClassifier, state: dict[str, Tensor], path: Path) -> None:
    own = model.state_dict()
    bad = [key for key in own.keys() ^ state.keys()]
    bad += [key for key in own.keys() & state.keys() if own[key].shape != state[key].shape]
    if bad:
        raise BundleError(
            f"the weights are not those of {model.name}: {len(bad)} tensors differ, such as {min(bad)!r}",
            path=path,
            repair="Use weights and description of the same training",
        )
    model.load_state_dict(state)
