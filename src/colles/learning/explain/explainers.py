"""The methods by name."""

from __future__ import annotations

from colles.core.errors import UsageError
from colles.core.names import nearest
from colles.learning.explain.base import Explainer
from colles.learning.explain.gradcam import GradCam
from colles.learning.explain.input_gradient import InputGradient

EXPLAINERS: dict[str, type[Explainer]] = {"gradcam": GradCam, "input_gradient": InputGradient}


def create_explainer(name: str) -> Explainer:
    """Create a method; raise `UsageError` for an unknown name."""
    if name not in EXPLAINERS:
        guess = nearest(name, EXPLAINERS)
        repair = f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(EXPLAINERS)}"
        raise UsageError(f"unknown method {name!r}", field="method", repair=repair)
    return EXPLAINERS[name]()
