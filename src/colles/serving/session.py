"""Run a bundle's ONNX graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from colles.core.errors import BundleError
from colles.core.logistic import sigmoid
from colles.core.machine import usable_cpus
from colles.core.recipe import PreprocessRecipe

INPUT = "image"


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the graph gives for a batch."""

    score: NDArray[np.float64]
    """(N,) sigmoid of the logit."""
    cam: NDArray[np.float32] | None = None
    """(N, h, w) class activation map or location map, in logits."""
    embedding: NDArray[np.float32] | None = None
    """(N, d) what the head reads."""


@contextmanager
def _failures(doing: str, name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime has a class for each kind of failure and no common one
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"ONNX Runtime cannot {doing} the graph ({reason})", path=name) from error


class Session:
    """An ONNX Runtime session on the CPU. Threads may share it."""

    def __init__(self, graph: bytes, recipe: PreprocessRecipe, *, threads: int | None = None, name: str = "model"):
        """Load a graph; raise `BundleError` where it is none or does not fit the preprocessing."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cpus()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin while they wait take the cores from those that read files.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with _failures("load", name):
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._name = name
        self._check(recipe, name)

    @property
    def outputs(self) -> list[str]:
        """Names of the graph's outputs."""
        return [output.name for output in self._session.get_outputs()]

    @property
    def embedding_width(self) -> int | None:
        """How many numbers the output `embedding` has; None where there is none, or where the graph does not say."""
        shapes = {output.name: tuple(output.shape) for output in self._session.get_outputs()}
        shape = shapes.get("embedding", ())
        return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None

    def _check(self, recipe: PreprocessRecipe, name: str) -> None:
        inputs = {each.name: list(each.shape) for each in self._session.get_inputs()}
        wanted = [recipe.channels, recipe.size, recipe.size]
        if list(inputs) != [INPUT] or inputs[INPUT][1:] != wanted or "logit" not in self.outputs:
            raise BundleError(
                f"the graph takes {inputs} and gives {self.outputs}; wanted {INPUT!r} with (N, *{wanted}) and 'logit'",
                path=name,
                repair="Export again",
            )

    def run(self, batch: NDArray[np.float32], *, cam: bool = False, embedding: bool = False) -> Outputs:
        """Compute a batch (N, C, S, S); with `cam` and `embedding` these as well, where the graph gives them.

        Each image is computed by itself: the layers of one stay in the processor's cache, which is faster than 16
        together (docs/experiments.md), and no score depends on the images beside it.
        """
        wanted = {"logit": True, "cam": cam, "embedding": embedding}
        names = [name for name in self.outputs if wanted.get(name)]
        parts = [self._one(names, part) for part in np.split(batch, max(1, len(batch)))]
        found: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in names}
        logit = found["logit"].reshape(-1).astype(np.float64)
        maps = found.get("cam")
        return Outputs(sigmoid(logit), None if maps is None else maps[:, 0], found.get("embedding"))

    def _one(self, names: list[str], part: NDArray[np.float32]) -> dict[str, Any]:
        """Compute one image; raise `BundleError` where the graph fails or gives what is no answer on one."""
        with _failures("run", self._name):
            found = dict(zip(names, self._session.run(names, {INPUT: part}), strict=True))
        shapes = {name: value.shape for name, value in found.items()}
        if len(shapes["logit"]) < 1 or found["logit"].size != len(part) or len(shapes.get("cam", part.shape)) != 4:
            text = f"the graph gives {shapes} on one image; wanted one logit, and a cam (1, 1, h, w)"
            raise BundleError(text, path=self._name, repair="Export again")
        return found
