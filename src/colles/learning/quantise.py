"""A graph to 8-bit integers, kept only where it hardly changes an answer."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from colles.learning.onnx_graph import strip
from colles.learning.rounding import round_weights
from colles.serving.session import INPUT

FIRST = (3, 9, 15)
"""How many convolutions at the start may stay fp32, the fastest network first (docs/experiments.md)."""
_PERCENTILE = 99.999
_ROUNDED_ON = 16  # batches


class Quantiser:
    """Make int8 forms of one graph, their ranges and roundings taken from the same training images."""

    def __init__(self, graph: bytes, batches: Sequence[NDArray[np.float32]]) -> None:
        """`batches` are (N, C, S, S). The same graph and batches give the same bytes."""
        from onnxruntime.quantization.shape_inference import quant_pre_process

        self._batches = batches
        self._folder = tempfile.TemporaryDirectory()
        with _quiet():
            self._path("plain").write_bytes(graph)
            # Symbolic shape inference fails on the free batch size; the plain one is enough for convolutions.
            quant_pre_process(str(self._path("plain")), str(self._path("prepared")), skip_symbolic_shape=True)
        self._exact = onnx.load(str(self._path("prepared")))
        self._rounded = onnx.ModelProto.FromString(self._exact.SerializeToString())
        nodes = frozenset(node.name for node in self._exact.graph.node) - kept_in_fp32(self._exact, 1)
        self._levels = round_weights(self._rounded, batches[:_ROUNDED_ON], nodes)

    @property
    def choices(self) -> list[int]:
        """Those of `FIRST` that leave something to quantise; 1 for a network of very few convolutions."""
        body = _body(self._exact)
        count = sum(node.op_type == "Conv" and node.name in body for node in self._exact.graph.node)
        return [first for first in FIRST if first < count] or [1]

    def quantise(self, first: int) -> bytes:
        """Return the graph with all but the `first` convolutions and the heads in int8.

        Static, QDQ, weights by channel as signed bytes (`round_weights`), activations as unsigned ones whose ranges
        leave out one value in 100,000.
        """
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

        whole = kept_in_fp32(self._exact, first)
        mixed, weights = self._mixed(whole)
        onnx.save(mixed, str(self._path("mixed")))
        with _quiet():
            quantize_static(
                str(self._path("mixed")),
                str(self._path("small")),
                _Batches(self._batches),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.Percentile,
                nodes_to_exclude=sorted(whole),
                # ranges are taken of all nodes of these kinds, the excluded ones too
                op_types_to_quantize=sorted({node.op_type for node in mixed.graph.node if node.name not in whole}),
                calibration_cache_path=str(self._path("ranges").with_suffix(".json")),
                extra_options={
                    "CalibPercentile": _PERCENTILE,
                    # All layers of these many batches are in memory at one time.
                    "CalibStridedMinMax": 1,
                    "TensorQuantOverrides": weights,
                },
            )
        made = onnx.load(str(self._path("small")))
        strip(made)
        return bytes(made.SerializeToString(deterministic=True))

    def _mixed(self, whole: frozenset[str]) -> tuple[onnx.ModelProto, dict[str, Any]]:
        convolutions = [node for node in self._exact.graph.node if node.op_type == "Conv" and node.name not in whole]
        weights = {node.input[1]: self._levels[node.input[1]] for node in convolutions if node.input[1] in self._levels}
        mixed = onnx.ModelProto.FromString(self._rounded.SerializeToString())
        exact = {each.name: each for each in self._exact.graph.initializer}
        for each in mixed.graph.initializer:
            if each.name not in weights:
                each.CopyFrom(exact[each.name])
        return mixed, weights

    def _path(self, name: str) -> Path:
        return Path(self._folder.name, f"{name}.onnx")


def kept_in_fp32(graph: onnx.ModelProto, first: int) -> frozenset[str]:
    """Name the nodes that stay fp32: those up to the `first` convolutions, in the graph's order, and the heads."""
    names = [node.name for node in graph.graph.node]
    places = [place for place, node in enumerate(graph.graph.node) if node.op_type == "Conv"]
    return frozenset(names[: places[min(first, len(places)) - 1] + 1]) | (frozenset(names) - _body(graph))


def _body(graph: onnx.ModelProto) -> frozenset[str]:
    """Name the nodes that the embedding comes from, without the pooling that makes it."""
    producers = {output: node for node in graph.graph.node for output in node.output}
    found: set[str] = set()
    waiting = list(producers["embedding"].input)
    while waiting:
        node = producers.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            waiting.extend(node.input)
    return frozenset(found)


class _Batches:
    """What ONNX Runtime calls a calibration data reader."""

    def __init__(self, batches: Sequence[NDArray[np.float32]]) -> None:
        self._all = batches
        self.set_range(0, len(batches))

    def __len__(self) -> int:
        return len(self._all)

    def set_range(self, start_index: int, end_index: int) -> None:
        chosen = self._all[start_index:end_index]
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = iter({INPUT: batch} for batch in chosen)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


@contextmanager
def _quiet() -> Iterator[None]:
    # The quantiser gives advice that is followed already, and prints its settings where JSON may be asked for.
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.getLogger().setLevel(level)
