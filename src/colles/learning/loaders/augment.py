"""Random changes of training canvases and their boxes, through torchvision's transforms v2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from colles.core.recipe import AugmentRecipe
from colles.learning.loaders.geometry import RandomPlace
from colles.learning.loaders.occlusion import Collimation, CutOut

JPEG_QUALITY = (10, 70)
NO_BOXES = np.zeros((0, 4), np.float32)


class Noise(v2.Transform):  # type: ignore[misc]
    """Add Gaussian noise to a uint8 canvas (1, S, S), of a deviation between 0 and `largest` of full scale."""

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, largest: float) -> None:
        super().__init__()
        self.largest = largest

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the deviation."""
        return {"sigma": float(torch.empty(1).uniform_(0.0, self.largest))}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Return the canvas with noise, rounded and clipped to 0–255."""
        noisy = torch.randn(inpt.shape).mul_(params["sigma"] * 255.0).add_(inpt)
        changed: Tensor = tv_tensors.Image(noisy.round_().clamp_(0, 255).to(torch.uint8))
        return changed


class RandomTone(v2.Transform):  # type: ignore[misc]
    """Multiply grey values and their distance from the mean by 1 ± `brightness` and 1 ± `contrast`, in either order.

    What torchvision's ColorJitter does, by one look-up of 256 values: a canvas (1, S, S) is read twice, not ten times.
    """

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, brightness: float, contrast: float) -> None:
        super().__init__()
        self.brightness, self.contrast = brightness, contrast

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw both factors and their order."""
        reach = torch.tensor([self.brightness, self.contrast])
        brightness, contrast = torch.empty(2).uniform_(-1.0, 1.0).mul_(reach).add_(1.0).tolist()
        return {"brightness": brightness, "contrast": contrast, "contrast_first": bool(torch.rand(()) < 0.5)}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Look each grey value up."""
        canvas = inpt[0].numpy()
        counts = cv2.calcHist([canvas], [0], None, [256], [0, 256]).ravel()
        table = np.arange(256.0)
        for contrast in (params["contrast_first"], not params["contrast_first"]):
            mean = float(counts @ table) / canvas.size if contrast else 0.0
            table = np.clip(mean + params["contrast" if contrast else "brightness"] * (table - mean), 0.0, 255.0)
        changed: Tensor = tv_tensors.Image(torch.from_numpy(cv2.LUT(canvas, np.rint(table).astype(np.uint8)))[None])
        return changed


class RandomGamma(v2.Transform):  # type: ignore[misc]
    """Raise grey values (0–1) to a power between 1 − `reach` and 1 / (1 − `reach`), even on the logarithm."""

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, reach: float) -> None:
        super().__init__()
        self.reach = reach

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the exponent."""
        largest = -float(np.log1p(-self.reach))
        return {"gamma": float(torch.empty(1).uniform_(-largest, largest).exp())}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Look each grey value up."""
        table = np.rint((np.arange(256) / 255.0) ** params["gamma"] * 255.0).astype(np.uint8)
        changed: Tensor = tv_tensors.Image(torch.from_numpy(cv2.LUT(inpt[0].numpy(), table))[None])
        return changed


class Jpeg(v2.Transform):  # type: ignore[misc]
    """Store a canvas (1, S, S) as a JPEG of a quality that is drawn, and read it back.

    torchvision's own transform of this is deprecated with its codecs.
    """

    _transformed_types = (tv_tensors.Image,)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the quality."""
        return {"quality": int(torch.randint(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1, ()))}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Encode and decode."""
        _, stored = cv2.imencode(".jpg", inpt[0].numpy(), [cv2.IMWRITE_JPEG_QUALITY, params["quality"]])
        changed: Tensor = tv_tensors.Image(torch.from_numpy(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE))[None])
        return changed


def create_augment(recipe: AugmentRecipe, size: int) -> v2.Transform:
    """Build the chain of random changes: a canvas (1, C, C) uint8 and its boxes → (1, `size`, `size`) and theirs."""
    steps: list[v2.Transform] = [RandomPlace(recipe, size)]
    if recipe.brightness or recipe.contrast:
        steps.append(RandomTone(recipe.brightness, recipe.contrast))
    if recipe.gamma:
        steps.append(RandomGamma(recipe.gamma))
    if recipe.invert:
        steps.append(v2.RandomInvert(recipe.invert))
    if recipe.blur:
        steps.append(v2.RandomApply([v2.GaussianBlur(5, sigma=(0.3, 1.5))], p=recipe.blur))
    if recipe.cut_out:
        steps.append(CutOut(recipe.cut_out))
    if recipe.collimation:
        steps.append(Collimation(recipe.collimation))
    if recipe.noise:
        steps.append(Noise(recipe.noise))
    if recipe.jpeg:
        steps.append(v2.RandomApply([Jpeg()], p=recipe.jpeg))
    return v2.Compose(steps)


def augment_seeded(
    augment: v2.Transform, canvas: Tensor, seed: int, boxes: NDArray[np.float32] = NO_BOXES
) -> tuple[Tensor, NDArray[np.float32]]:
    """Return canvas and boxes (k, 4) after changes that hang on `seed` alone; torch's own generator stays as it was."""
    side = canvas.shape[-1]
    framed = tv_tensors.BoundingBoxes(torch.from_numpy(boxes), format="XYXY", canvas_size=(side, side))
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed also reads the call stack, three times
        changed, moved = augment(tv_tensors.Image(canvas), framed)
    return torch.Tensor.as_subclass(changed, torch.Tensor), moved.numpy()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: for one canvas several wait for each other, 3 ms become 16 on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
