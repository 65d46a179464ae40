"""Measure heat maps from a bundle's graph, against Grad-CAM in eager torch on the same images.

    python benchmarks/explain.py [--images 1000] [--size 224] [--peer-images 50]

The bundle holds EfficientNet-Lite0 with random weights (speed does not depend on them). Images are 373 × 454 pixels,
as most of FracAtlas. Both ways decode, compute, draw the overlay and write the map; the peer is timed on a part of the
images, in two halves before and after, and scaled up. Prints a table and writes benchmarks/explain.json.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from PIL import Image

from colles.core.files import write_bytes, write_json
from colles.core.provenance import package_versions
from colles.core.recipe import ModelRecipe, PreprocessRecipe
from colles.core.records import OperatingPoint
from colles.flow.explain import Item, open_maps
from colles.flow.explain_images import explain_images
from colles.learning.explain import TorchMaps
from colles.learning.models import create_model
from colles.learning.onnx_graph import export_graph
from colles.serving.bundle import MODEL, write_bundle
from colles.serving.maps import MapSource
from colles.serving.metadata import BundleMetadata

RESULT = Path(__file__).with_suffix(".json")
WIDTH, HEIGHT = 373, 454
NAME = "efficientnet_lite0"


def draw_images(folder: Path, count: int) -> list[Path]:
    """Write `count` JPEG files: a bright bone on a dark ground, with noise."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    folder.mkdir()
    paths = []
    for number in range(count):
        bone = 150 * np.exp(-(((columns - WIDTH * rng.uniform(0.3, 0.7)) / 60) ** 2)) + 20 * rows / HEIGHT
        noisy = bone + rng.normal(20, 5, bone.shape)
        paths.append(folder / f"{number:04d}.jpg")
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def make_sources(folder: Path, size: int) -> tuple[MapSource, MapSource]:
    """Return a bundle's graph and the same network in torch, both explained by the default method."""
    recipe = PreprocessRecipe(size=size, channels=1, mean=(0.5,), std=(0.5,))
    torch.manual_seed(0)
    model = create_model(ModelRecipe(name=NAME, weights="none"), recipe).eval()
    write_bytes(folder / MODEL, export_graph(model, recipe))
    point = OperatingPoint(name="f1", threshold=0.5, criterion="a half", chosen_on="val", digest="0" * 64)
    described = {"name": NAME, "has_cam": True, "map": "class_activation", "cam_bias": float(model.head.bias.detach())}
    metadata = BundleMetadata(
        name="benchmark", version="0", model=described, preprocessing=recipe, operating_points={"f1": point}
    )
    write_bundle(folder, metadata)
    return open_maps(folder, ["auto"]), TorchMaps(model, recipe, ["gradcam"])


def timed(source: MapSource, paths: Sequence[Path], out: Path) -> float:
    """Return seconds of wall clock for explaining the images."""
    start = time.perf_counter()
    explain_images(source, [Item(path) for path in paths], out)
    return time.perf_counter() - start


def measure(images: int, size: int, peer_images: int) -> dict[str, Any]:
    """Time both ways on the same images."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        paths = draw_images(root / "images", images)
        bundle, network = make_sources(root / "bundle", size)
        timed(bundle, paths[:8], root / "warm")
        half = max(1, peer_images // 2)
        peer = timed(network, paths[:half], root / "first")
        ours = timed(bundle, paths, root / "ours")
        peer += timed(network, paths[-half:], root / "second")
    return {
        "images": images,
        "size": size,
        "bundle_seconds": round(ours, 1),
        "bundle_images_per_second": round(images / ours, 1),
        "torch_images_timed": 2 * half,
        "torch_images_per_second": round(2 * half / peer, 1),
        "speed_up": round(peer / (2 * half) / (ours / images), 1),
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "machine": describe(),
        "versions": package_versions(),
    }


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--peer-images", type=int, default=50)
    options = parser.parse_args()
    found = measure(options.images, options.size, options.peer_images)
    for name, value in found.items():
        print(f"{name:38} {value}")
    write_json(RESULT, found)


if __name__ == "__main__":
    main()
