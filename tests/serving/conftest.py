"""A bundle whose graph is drawn by hand: the brighter a place, the higher its map, so every answer can be counted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colles.core.recipe import PreprocessRecipe
from colles.core.records import OperatingPoint
from colles.serving.bundle import write_bundle
from colles.serving.metadata import BundleMetadata

SIZE = 64


def draw_graph(*, cam: bool = True, size: int = SIZE) -> bytes:
    """cam = 2 · mean of each 8 × 8 cell; logit = mean of cam; embedding = the cells."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    cells = size // 8
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Mul", ["pooled", "two"], ["cam"]),
        helper.make_node("ReduceMean", ["cam", "axes"], ["logit"], keepdims=0),
        helper.make_node("Flatten", ["cam"], ["embedding"]),
    ]
    outputs = [
        helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", cells * cells]),
    ]
    if cam:
        outputs.append(helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["n", 1, cells, cells]))
    graph = helper.make_graph(
        nodes,
        "drawn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, size, size])],
        outputs,
        [
            numpy_helper.from_array(np.array(2.0, np.float32), "two"),
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def describe(**changes: object) -> BundleMetadata:
    """Thresholds 0.3 and 0.7; grey levels 0–255 become −2…2, logits −4…4."""
    points = {
        name: OperatingPoint(name=name, threshold=threshold, criterion="drawn", chosen_on="val", digest="0" * 64)
        for name, threshold in (("f1", 0.5), ("rule_out", 0.3), ("rule_in", 0.7))
    }
    values: dict[str, object] = {
        "name": "drawn",
        "version": "0123456789ab",
        "model": {"name": "drawn", "parameters": 1, "has_cam": True},
        "preprocessing": PreprocessRecipe(size=SIZE, channels=1, mean=(0.5,), std=(0.25,)),
        "operating_points": points,
    }
    return BundleMetadata.model_validate(values | changes)


def make_bundle(folder: Path, *, cam: bool = True, **changes: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(draw_graph(cam=cam))
    (folder / "recipe.yaml").write_text("name: drawn\n", encoding="utf-8")
    write_bundle(folder, describe(**changes))
    return folder


@pytest.fixture(scope="session")
def drawn_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One bundle for all tests that only read it."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "drawn")


@pytest.fixture
def bundle_copy(drawn_bundle: Path, tmp_path: Path) -> Path:
    """A bundle to damage."""
    return Path(shutil.copytree(drawn_bundle, tmp_path / "copy"))


@pytest.fixture
def bundle_maker() -> Callable[..., Path]:
    return make_bundle


@pytest.fixture(scope="session")
def make_drawn() -> Callable[..., Path]:
    """The same for fixtures that last longer than a test."""
    return make_bundle


@pytest.fixture
def grey_files(tmp_path: Path) -> list[Path]:
    """Flat images of rising brightness, with a broken one in the middle."""
    paths = []
    for number, level in enumerate((0, 100, 128, 160, 255)):
        path = tmp_path / f"level{level:03d}.png"
        Image.fromarray(np.full((50 + 10 * number, 80), level, np.uint8)).save(path)
        paths.append(path)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not an image")
    return [*paths[:2], broken, *paths[2:]]
