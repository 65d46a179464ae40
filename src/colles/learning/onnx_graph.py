"""A classifier to the bytes of an ONNX graph that says nothing of the machine it was made on."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from colles.core.recipe import PreprocessRecipe
from colles.learning.models.base import FractureClassifier
from colles.serving.session import INPUT

OPSET = 18
LARGEST_BATCH = 1024
_NOISY = ("torch.onnx", "onnxscript", "onnx_ir")


class OutputTuple(nn.Module):
    """A classifier whose forward gives its named outputs in a fixed order."""

    def __init__(self, model: FractureClassifier) -> None:
        super().__init__()
        self.model = model
        self.names = ["logit", "embedding", *(["cam"] if model.has_cam else [])]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return logit (N, 1), embedding (N, d) and, where the model has one, cam (N, 1, h, w)."""
        found = self.model.outputs(x)
        return tuple(found[name] for name in self.names)


def export_graph(model: FractureClassifier, preprocess: PreprocessRecipe) -> bytes:
    """Export with weights inside and a free batch size; the same model gives the same bytes.

    Input `image` float32 (N, C, S, S); outputs `logit` (N, 1), `embedding` (N, d), `cam` (N, 1, h, w) if any.
    """
    wrapped = OutputTuple(model).eval()
    # A batch of two: torch.export takes a dimension of one for a constant.
    example = torch.zeros(2, preprocess.channels, preprocess.size, preprocess.size)
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with tempfile.TemporaryDirectory() as folder, _quiet(), torch.no_grad():
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            wrapped,
            (example,),
            str(file),
            dynamo=True,
            input_names=[INPUT],
            output_names=wrapped.names,
            dynamic_shapes={"x": {0: batch}},
            external_data=False,
            opset_version=OPSET,
            verbose=False,
        )
        graph = onnx.load(str(file))
    strip(graph)
    onnx.checker.check_model(graph)
    return bytes(graph.SerializeToString(deterministic=True))


def strip(graph: onnx.ModelProto) -> None:
    """Remove stack traces, source paths and notes: everything that does not change what is computed."""
    del graph.metadata_props[:]
    used = {node.domain for part in (graph.graph, *graph.functions) for node in part.node} | {""}
    kept = [each for each in graph.opset_import if each.domain in used]  # ONNX Runtime declares all that it knows
    del graph.opset_import[:]
    graph.opset_import.extend(kept)
    graph.doc_string = ""
    graph.graph.name = "colles"
    for part in (graph.graph, *graph.functions):
        _strip(part)


def _strip(part: onnx.GraphProto | onnx.FunctionProto) -> None:
    values = list(part.value_info)
    if isinstance(part, onnx.GraphProto):
        values += [*part.input, *part.output, *part.initializer]
    for each in (part, *part.node, *values):
        each.doc_string = ""
        del each.metadata_props[:]
    for node in part.node:
        for attribute in node.attribute:
            attribute.doc_string = ""
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                _strip(inner)


@contextmanager
def _quiet() -> Iterator[None]:
    # The exporter reports its progress and its versions of operators on every channel there is.
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
