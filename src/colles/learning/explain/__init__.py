"""Heat maps by name. To add one: a file with a subclass of Explainer, and a line in explainers.py."""

from __future__ import annotations

from colles.learning.explain.base import Explainer
from colles.learning.explain.explainers import EXPLAINERS, create_explainer
from colles.learning.explain.torch_maps import TorchMaps

__all__ = ["EXPLAINERS", "Explainer", "TorchMaps", "create_explainer"]
