"""Heat maps of a network by any method."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colles.core.errors import UsageError
from colles.core.recipe import ModelRecipe, PreprocessRecipe
from colles.learning.explain.base import Explainer, OutputExplainer
from colles.learning.explain.explainers import AUTO, create_explainer, default_method
from colles.learning.explain.layers import LayerExplainer
from colles.learning.explain.own_map import has_location_map
from colles.learning.explain.randomise import cascade
from colles.learning.models import create_model
from colles.learning.models.base import FractureClassifier
from colles.learning.models.ensemble import Ensemble, create_ensemble
from colles.serving.decision import DecisionRule
from colles.serving.maps import Maps, MapSource, Method, Target

P = ParamSpec("P")
R = TypeVar("R")
_MOST = 16  # pictures that are scored at once


class TorchMaps(MapSource):
    """A network and the methods that look into it."""

    # Larger batches are hardly faster on a processor, and gradients of eight images of 512 px take over a gigabyte.
    batch = 4

    def __init__(
        self,
        model: FractureClassifier,
        recipe: PreprocessRecipe,
        names: Sequence[str],
        *,
        target: Target = "fracture",
        rule: DecisionRule | None = None,
    ) -> None:
        """Leave out, with a note, what this network cannot have; raise `UsageError` where nothing remains."""
        # Channels last is up to a fifth faster on a processor.
        self.model = model.eval().to(memory_format=torch.channels_last)
        self.recipe = recipe
        self.target = target
        self.rule = rule
        self.spent = {}
        resolved = dict.fromkeys(default_method(model) if name == AUTO else name for name in names)
        if not resolved:
            raise UsageError("no method named", field="method", repair="For example --method gradcam")
        explainers = {name: create_explainer(name, target) for name in resolved}
        refused = {name: reason for name, each in explainers.items() if (reason := each.refusal(model))}
        self.explainers: dict[str, Explainer] = {n: each for n, each in explainers.items() if n not in refused}
        self.notes = tuple(f"{name} was left out: {reason}" for name, reason in refused.items())
        self.notes += _of_first_member(model, self.explainers)
        if not self.explainers:
            raise UsageError("; ".join(refused.values()), field="method", repair="Use gradcam or input_gradient")
        self._try_named_layers()
        self.methods = tuple(
            Method(name, _title(each, name), each.slow, each.absolute) for name, each in self.explainers.items()
        )

    def _try_named_layers(self) -> None:
        """Raise `UsageError` for a layer that cannot be looked at, before anything is written."""
        for each in self.explainers.values():
            if isinstance(each, LayerExplainer) and each.layer is not None:
                each.look(self.model, torch.zeros(1, self.recipe.channels, self.recipe.size, self.recipe.size))

    def explain(self, batch: NDArray[np.float32], names: Sequence[str]) -> Maps:
        """Return scores and maps of the named methods; the network's own maps come from the pass that scores."""
        x = torch.from_numpy(batch)
        outputs, shared = _timed(self._outputs, x)
        maps, seconds = {}, {}
        for name in names:
            method = self.explainers[name]
            maps[name], spent = _timed(self._attribute, method, x, outputs)
            seconds[name] = (spent + (shared if isinstance(method, OutputExplainer) else 0.0)) / len(batch)
        return Maps(_score(outputs["logit"]), maps, seconds)

    def _attribute(self, method: Explainer, x: Tensor, outputs: dict[str, Tensor]) -> NDArray[np.float32]:
        if isinstance(method, OutputExplainer):
            found = method.read(self.model, outputs)
        elif method.slow:  # many passes an image, with batches of their own
            found = torch.cat([method.attribute(self.model, image[None]) for image in x])
        else:
            found = method.attribute(self.model, x)
        return found.detach().numpy().astype(np.float32)

    @torch.no_grad()
    def _outputs(self, x: Tensor) -> dict[str, Tensor]:
        return self.model.outputs(x)

    def untrained(self, seed: int) -> TorchMaps:
        """Return the same network with random weights, explained by the default method."""
        recipe = ModelRecipe(
            name=self.model.name,
            weights="none",
            location="on" if has_location_map(self.model) else "off",
            location_stride=self.model.map_stride,
            second_look="on" if self.model.second_look else "off",
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            twin = create_ensemble([create_model(recipe, self.recipe) for _ in range(_count(self.model))])
        return TorchMaps(twin, self.recipe, [self.default], target=self.target)

    def randomised(self, seed: int) -> Iterator[tuple[str, TorchMaps]]:
        """Yield (layer, the same methods on a network whose layers down to this one are drawn anew)."""
        names = [method.name for method in self.methods]
        for layer, model in cascade(self.model, self.untrained(seed).model):
            found = TorchMaps(model, self.recipe, names, target=self.target)
            found.explainers = self.explainers
            yield layer, found

    @torch.no_grad()
    def score(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the scores (N,)."""
        pieces = torch.split(torch.from_numpy(batch), _MOST)
        return np.concatenate([_score(self.model(piece)) for piece in pieces])


def _timed(work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> tuple[R, float]:
    """Return what a call gives and the seconds it took."""
    started = time.perf_counter()
    found = work(*arguments, **named)
    return found, time.perf_counter() - started


def _score(logit: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = torch.sigmoid(logit.double())[:, 0].numpy()
    return found


def _count(model: FractureClassifier) -> int:
    return len(model.members) if isinstance(model, Ensemble) else 1


def _of_first_member(model: FractureClassifier, explainers: Mapping[str, Explainer]) -> tuple[str, ...]:
    names = [name for name, each in explainers.items() if isinstance(each, LayerExplainer)]
    if not names or not isinstance(model, Ensemble):
        return ()
    verb = "looks" if len(names) == 1 else "look"
    return (f"{', '.join(names)} {verb} at the features of the first of {_count(model)} networks",)


def _title(explainer: Explainer, name: str) -> str:
    _, at, layer = name.partition("@")
    return f"{explainer.title} at {layer}" if at else explainer.title
