"""Weights rounded for their outputs' sake: on their levels, the same each time, and better than the nearest level."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from colles.learning.rounding import round_weights

WEIGHTS = {"wide": (6, 4, 3, 3), "deep": (6, 1, 3, 3), "narrow": (5, 6, 1, 1)}


def graph() -> onnx.ModelProto:
    """Three convolutions: 3 × 3, 3 × 3 by channel with stride 2, 1 × 1; each behind a ReLU."""
    rng = np.random.default_rng(0)
    stored = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name) for name, shape in WEIGHTS.items()
    ]
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "wide"], ["a"], name="first", **pads),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "deep"], ["c"], name="second", group=6, strides=[2, 2], **pads),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "narrow"], ["out"], name="third"),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 4, 16, 16])]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 5, 8, 8])]
    made = helper.make_graph(nodes, "drawn", inputs, outputs, stored)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def weights(model: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def run(model: onnx.ModelProto, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": batch})[0])


@pytest.fixture(scope="module")
def batch() -> NDArray[np.float32]:
    """Positive pictures whose channels go together, as in a network."""
    rng = np.random.default_rng(1)
    return (rng.random((8, 1, 16, 16)) + 0.3 * rng.random((8, 4, 16, 16))).astype(np.float32)


def test_outputs_change_less_than_by_the_nearest_levels(batch: NDArray[np.float32]) -> None:
    plain, rounded, nearest = graph(), graph(), graph()
    (name, scales), *_ = round_weights(rounded, [batch], frozenset({"first"})).items()
    (stored,) = (each for each in nearest.graph.initializer if each.name == name)
    scale = np.array([one["scale"] for one in scales]).reshape(-1, 1, 1, 1)
    levels = np.round(numpy_helper.to_array(stored) / scale)
    stored.CopyFrom(numpy_helper.from_array((levels * scale).astype(np.float32), name))
    unseen = batch[:, :, ::-1, ::-1].copy()
    truth = run(plain, unseen)
    ours, theirs = (float(((run(model, unseen) - truth) ** 2).mean()) for model in (rounded, nearest))
    assert 0 < ours < 0.6 * theirs


def test_weights_lie_on_their_levels_and_the_rest_is_left_alone(batch: NDArray[np.float32]) -> None:
    before, model, again = graph(), graph(), graph()
    scales = round_weights(model, [batch], frozenset({"first", "second"}))
    round_weights(again, [batch], frozenset({"first", "second"}))
    assert set(scales) == {"wide", "deep"} and model.SerializeToString() == again.SerializeToString()
    for name in scales:
        levels = weights(model)[name] / np.array([one["scale"] for one in scales[name]]).reshape(-1, 1, 1, 1)
        assert np.abs(levels - levels.round()).max() < 1e-3 and np.abs(levels).max() <= 127.01
    assert (weights(model)["narrow"] == weights(before)["narrow"]).all()
