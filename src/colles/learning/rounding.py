"""Round a graph's convolutions to 8 bits so that their outputs, not their weights, change least.

Each weight is rounded in turn, and the weights of the same output that are still to come take over its error, as far as
their inputs go together on training images (Frantar et al., GPTQ, ICLR 2023, arXiv:2210.17323). Rounding to the nearest
ignores that the inputs of a convolution are mostly positive: its errors add up there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from colles.serving.session import INPUT

Floats = NDArray[np.float64]
_LEVELS = 127
_PLACES = 200  # of one picture that are looked at in each layer, drawn by seed
_LARGEST = 2304  # weights an output; beyond that the nearest level is taken
_DAMPING = 0.01  # share of the mean square input that is added to each (arXiv:2210.17323, section 3.3)


@dataclass(frozen=True)
class _Layer:
    """A convolution: where its inputs come from and how it looks at them."""

    node: onnx.NodeProto
    weights: NDArray[np.float32]
    """(outputs, inputs a group, k, k)."""

    def setting(self, name: str, default: Sequence[int]) -> list[int]:
        found = [list(each.ints) or [each.i] for each in self.node.attribute if each.name == name]
        return found[0] if found else list(default)

    @property
    def groups(self) -> int:
        return self.setting("group", [1])[0]

    def patches(self, inputs: NDArray[np.float32], rng: np.random.Generator) -> Floats:
        """Return inputs (C, H, W) as (groups, places, weights an output)."""
        top, left, bottom, right = self.setting("pads", [0, 0, 0, 0])
        padded = np.pad(inputs, ((0, 0), (top, bottom), (left, right)))
        size = self.weights.shape[2:]
        windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(1, 2))
        down, across = self.setting("strides", [1, 1])
        windows = windows[:, ::down, ::across]
        rows, columns = (rng.integers(0, count, _PLACES) for count in windows.shape[1:3])
        seen = windows[:, rows, columns].reshape(self.groups, -1, _PLACES, size[0] * size[1])
        return seen.transpose(0, 2, 1, 3).reshape(self.groups, _PLACES, -1).astype(np.float64)


def round_weights(
    graph: onnx.ModelProto, batches: Iterable[NDArray[np.float32]], nodes: frozenset[str]
) -> dict[str, list[dict[str, Any]]]:
    """Replace the weights of the named convolutions by 8-bit levels, as floats, and return the levels' scales.

    What is returned is ONNX Runtime's `TensorQuantOverrides`. `batches` are (N, C, S, S) of training images. The same
    arguments give the same weights.
    """
    stored = {each.name: each for each in graph.graph.initializer}
    layers = [
        _Layer(node, numpy_helper.to_array(stored[node.input[1]]))
        for node in graph.graph.node
        if node.op_type == "Conv" and node.name in nodes and node.input[1] in stored
    ]
    overrides = {}
    for layer, moments in zip(layers, _moments(graph, layers, batches), strict=True):
        scale = np.maximum(np.abs(layer.weights).max(axis=(1, 2, 3)), 1e-9) / np.float32(_LEVELS)
        flat = layer.weights.reshape(layer.groups, -1, layer.weights[0].size).astype(np.float64)
        scales = scale.reshape(layer.groups, -1).astype(np.float64)
        levels = np.stack([_levels(*each) for each in zip(flat, moments, scales, strict=True)])
        rounded = levels.reshape(layer.weights.shape) * scale[:, None, None, None]
        name = layer.node.input[1]
        stored[name].CopyFrom(numpy_helper.from_array(rounded.astype(np.float32), name))
        overrides[name] = [
            {"axis": 0, "scale": np.array(value, np.float32), "zero_point": np.array(0, np.int8)} for value in scale
        ]
    return overrides


def _moments(graph: onnx.ModelProto, layers: list[_Layer], batches: Iterable[NDArray[np.float32]]) -> list[Floats]:
    """Return, a layer, the sum over places of its inputs' products (groups, weights, weights)."""
    watched = onnx.ModelProto.FromString(graph.SerializeToString())
    names = list(dict.fromkeys(layer.node.input[0] for layer in layers if layer.node.input[0] != INPUT))
    watched.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    sums = [np.zeros((layer.groups, layer.weights[0].size, layer.weights[0].size)) if layer.weights[0].size <= _LARGEST
            else np.zeros((layer.groups, 0, 0)) for layer in layers]  # fmt: skip
    for batch in batches:
        for image in np.split(batch, len(batch)):
            found = session.run(names, {INPUT: image}) if names else []
            seen = {INPUT: image, **dict(zip(names, found, strict=True))}
            for layer, total in zip(layers, sums, strict=True):
                if total.size:
                    patches = layer.patches(seen[layer.node.input[0]][0], rng)
                    total += patches.transpose(0, 2, 1) @ patches
    return sums


def _levels(weights: Floats, moments: Floats, scales: Floats) -> Floats:
    """Return whole levels (outputs, inputs) for weights, given their inputs' moments and the levels' scales."""
    if not moments.size:
        return np.clip(np.round(weights / scales[:, None]), -_LEVELS, _LEVELS)
    damped = moments + np.eye(len(moments)) * max(_DAMPING * float(np.diag(moments).mean()), 1e-9)
    # Inputs that matter most are rounded first, while there are many others to take over their error.
    order = np.argsort(-np.diag(damped), kind="stable")
    passes_on = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    left, levels = weights[:, order].copy(), np.empty_like(weights)
    for number, column in enumerate(order):
        levels[:, column] = np.clip(np.round(left[:, number] / scales), -_LEVELS, _LEVELS)
        error = (left[:, number] - levels[:, column] * scales) / passes_on[number, number]
        left[:, number:] -= error[:, None] * passes_on[number, number:]
    return levels
