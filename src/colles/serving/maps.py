"""Whatever gives heat maps of a batch: a bundle's graph here, a network in `learning`; both are used alike."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from colles.core.errors import UsageError
from colles.core.logistic import sigmoid
from colles.core.recipe import PreprocessRecipe
from colles.serving.bundle import Bundle
from colles.serving.decision import DecisionRule
from colles.serving.predictor import Predictor

GRAPH_METHODS = ("auto", "location", "cam", "gradcam")
"""What a bundle's graph can give without torch."""


Target = Literal["fracture", "no_fracture"]
TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True, slots=True)
class Method:
    """One kind of map."""

    name: str
    title: str
    slow: bool = False
    """Takes many passes an image, so that it is run on a sample."""
    absolute: bool = False
    """Its values are probabilities, which compare between images."""


@dataclass(frozen=True, slots=True)
class Maps:
    """What a source says of a batch."""

    score: NDArray[np.float64]
    """(N,) sigmoid of the logit."""
    maps: dict[str, NDArray[np.float32]]
    """By method: (N, h, w) ≥ 0 over the whole canvas."""
    seconds: dict[str, float]
    """By method, an image."""


class MapSource(ABC):
    """A model that explains itself."""

    recipe: PreprocessRecipe
    methods: tuple[Method, ...]
    rule: DecisionRule | None = None
    """None where no operating points are known."""
    batch: int = 1
    target: Target = "fracture"
    spent: dict[str, list[float]]
    """By method, the seconds that each image took so far."""
    notes: tuple[str, ...] = ()
    """Sentences on methods that were asked for and that this model cannot have."""

    @abstractmethod
    def explain(self, batch: NDArray[np.float32], names: Sequence[str]) -> Maps:
        """Return scores and maps of the named methods for a batch (N, C, S, S)."""

    @abstractmethod
    def score(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the scores (N,) of a batch."""

    @property
    def default(self) -> str:
        """The first of the methods."""
        return self.methods[0].name

    def top(self, method: Method, score: float) -> float | None:
        """Return what a map's highest place scores by the image's: as the target; None where it is a probability."""
        if method.absolute:
            return None
        return score if self.target == "fracture" else 1.0 - score

    def untrained(self, seed: int) -> MapSource | None:
        """Return the same network with random weights, explained by the default method; None without its layers."""
        return None

    def randomised(self, seed: int) -> Iterator[tuple[str, MapSource]]:
        """Yield (layer, the same methods on a network whose layers down to this one are drawn anew), if it has any."""
        return iter(())


class BundleMaps(MapSource):
    """The map output of a bundle's graph; no torch.

    A location map is the sigmoid of the output. For pooling and one linear layer `cam`, without its bias and where it
    is positive, is Grad-CAM up to a factor, so `gradcam` is the same map.
    """

    batch = 8

    def __init__(self, bundle: Bundle, names: Sequence[str], target: Target = "fracture") -> None:
        """Raise `UsageError` where none of the methods can be had from this bundle's graph."""
        self.recipe = bundle.metadata.preprocessing
        self.target = target
        self.spent = {}
        self._predictor = Predictor(bundle)
        self.rule = self._predictor.rule
        self._location = bundle.metadata.model.get("map") == "location"
        self._bias = float(bundle.metadata.model.get("cam_bias") or 0.0)
        known = graph_methods(bundle)
        wanted = dict.fromkeys(next(iter(known), "auto") if name == "auto" else name for name in names)
        self.methods = tuple(Method(name, known[name], absolute=self._location) for name in wanted if name in known)
        self.notes = tuple(f"{bundle.name} has no {name} map" for name in wanted if name not in known)
        if not self.methods:
            raise UsageError("; ".join(self.notes), field="method", repair="Use gradcam or input_gradient")

    def explain(self, batch: NDArray[np.float32], names: Sequence[str]) -> Maps:
        """Return scores and maps; all methods of a graph are one output."""
        started = time.perf_counter()
        found = self._predictor.session.run(batch, cam=True)
        assert found.cam is not None
        heat = self._heat(found.cam)
        seconds = (time.perf_counter() - started) / len(batch)
        return Maps(found.score, dict.fromkeys(names, heat), dict.fromkeys(names, seconds))

    def score(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the scores (N,)."""
        return self._predictor.session.run(batch).score

    def _heat(self, cam: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._location:
            chance = sigmoid(cam).astype(np.float32)
            return chance if self.target == "fracture" else np.float32(1) - chance
        raised = cam - np.float32(self._bias)
        return np.asarray(np.clip(raised if self.target == "fracture" else -raised, 0, None), np.float32)


def graph_methods(bundle: Bundle) -> dict[str, str]:
    """Return the methods that a bundle's graph gives, the default first, with their names for people."""
    if not bundle.metadata.model.get("has_cam"):
        return {}
    if bundle.metadata.model.get("map") == "location":
        return {"location": "location map"}
    return {"gradcam": "Grad-CAM", "cam": "class activation map"}
