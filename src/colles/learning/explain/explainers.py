"""The methods by name."""

from __future__ import annotations

from colles.core.errors import UsageError
from colles.core.names import suggest
from colles.learning.explain.base import Explainer
from colles.learning.explain.gradcam import GradCam
from colles.learning.explain.gradcam_plus import GradCamPlus
from colles.learning.explain.input_gradient import InputGradient
from colles.learning.explain.integrated_gradients import IntegratedGradients
from colles.learning.explain.layercam import LayerCam
from colles.learning.explain.layers import LayerExplainer
from colles.learning.explain.occlusion import Occlusion
from colles.learning.explain.own_map import Cam, Location, has_location_map
from colles.learning.explain.scorecam import ScoreCam
from colles.learning.explain.smoothgrad import SmoothGrad
from colles.learning.models.base import FractureClassifier
from colles.serving.maps import TARGETS, Target

EXPLAINERS: dict[str, type[Explainer]] = {
    "location": Location,
    "cam": Cam,
    "gradcam": GradCam,
    "gradcam++": GradCamPlus,
    "layercam": LayerCam,
    "input_gradient": InputGradient,
    "smoothgrad": SmoothGrad,
    "integrated_gradients": IntegratedGradients,
    "occlusion": Occlusion,
    "scorecam": ScoreCam,
}
AUTO = "auto"
"""The model's own location map where it has one, else Grad-CAM."""


def create_explainer(name: str, target: Target = "fracture") -> Explainer:
    """Create a method from `NAME` or, for methods that look at a layer, `NAME@LAYER`.

    Raise `UsageError` for an unknown name or target, and for a layer where the method takes none.
    """
    if target not in TARGETS:
        raise UsageError(f"unknown target {target!r}", field="target", repair=f"Use {' or '.join(TARGETS)}")
    base, at, layer = name.partition("@")
    if base not in EXPLAINERS:
        repair = suggest(base, EXPLAINERS, f"Known: {', '.join(EXPLAINERS)}")
        raise UsageError(f"unknown method {name!r}", field="method", repair=repair)
    kind = EXPLAINERS[base]
    if not at:
        return kind(target)
    if not issubclass(kind, LayerExplainer):
        raise UsageError(f"{base} looks at no layer", field="method", repair=f"Name it without @: {base}")
    return kind(target, layer)


def default_method(model: FractureClassifier) -> str:
    """Return the name of the method that a model is explained by unless another is asked for."""
    return "location" if has_location_map(model) else "gradcam"
