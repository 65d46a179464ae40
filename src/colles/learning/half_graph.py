"""A graph whose weights are stored in 16 bits and computed with in 32."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor

from colles.learning.checkpoint import halved

_PREFIX = "model."  # what the exported graph puts before the names of the network's own tensors
_HALF, _SCALE = "_half", "_scale"


def halve_graph(graph: bytes, weights: Mapping[str, Tensor]) -> bytes:
    """Return `graph` with 16 bits for each number of its large tensors, which ONNX Runtime unfolds as it loads them.

    `weights` is the state of the network that it was exported from, rounded to 16 bits before. The exporter folds batch
    norm into convolutions, so a tensor of the graph is one of `weights` times a factor for each output channel:
    stored are the tensor in 16 bits and the factors in 32, and the graph computes what it did, up to one rounding
    of 32 bits. A tensor that is not made so stays as it is.
    """
    model = onnx.load_from_string(graph)
    kept, unfolding = [], []
    for tensor in model.graph.initializer:
        parts = _parts(tensor, weights)
        if parts is None:
            kept.append(tensor)
            continue
        half, scale = parts
        stored = numpy_helper.from_array(half, tensor.name + _HALF)
        kept.append(stored)
        wide = tensor.name if scale is None else tensor.name + _HALF + "_wide"
        unfolding.append(helper.make_node("Cast", [stored.name], [wide], to=onnx.TensorProto.FLOAT))
        if scale is not None:
            kept.append(numpy_helper.from_array(scale, tensor.name + _SCALE))
            unfolding.append(helper.make_node("Mul", [wide, tensor.name + _SCALE], [tensor.name]))
    nodes = [*unfolding, *model.graph.node]
    for field, values in (("initializer", kept), ("node", nodes)):
        model.graph.ClearField(field)
        getattr(model.graph, field).extend(values)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _parts(
    tensor: onnx.TensorProto, weights: Mapping[str, Tensor]
) -> tuple[NDArray[np.float16], NDArray[np.float32] | None] | None:
    """Return a tensor as 16-bit numbers and, unless it is they, a factor a channel; None where it is not."""
    known = weights.get(tensor.name.removeprefix(_PREFIX))
    folded = numpy_helper.to_array(tensor)
    if known is None or folded.dtype != np.float32 or not halved(known) or known.shape != folded.shape:
        return None
    half = known.detach().cpu().numpy().astype(np.float16)
    wide = half.astype(np.float32)
    if np.array_equal(wide, folded):
        return half, None
    channels = folded.reshape(len(folded), -1)
    plain = wide.reshape(len(folded), -1)
    place = np.abs(plain).argmax(1)[:, None]
    largest = np.take_along_axis(plain, place, 1)
    scale = np.divide(np.take_along_axis(channels, place, 1), largest, out=np.zeros_like(largest), where=largest != 0)
    if not np.allclose(plain * scale, channels, rtol=1e-6, atol=0.0):
        return None
    return half, scale.reshape(-1, *[1] * (folded.ndim - 1))
