"""SmoothGrad (Smilkov et al. 2017, arXiv:1706.03825)."""

from __future__ import annotations

import torch
from captum.attr import NoiseTunnel, Saliency
from torch import Tensor

from colles.learning.explain.base import Explainer, with_gradient
from colles.learning.models.base import FractureClassifier

SAMPLES = 16
NOISE = 0.1
"""Standard deviation as a share of the input's range; the paper finds 10 to 20 % best."""
_SEED = 0


class SmoothGrad(Explainer):
    """The mean absolute gradient over noisy copies of the image, with seeded noise."""

    title = "SmoothGrad"
    slow = True

    def attribute(self, model: FractureClassifier, x: Tensor) -> Tensor:
        """Return maps (N, S, S) at the resolution of the canvas."""
        spread = NOISE * float(x.max() - x.min())
        method = NoiseTunnel(Saliency(self.logit(model)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            found: Tensor = method.attribute(
                with_gradient(x),
                nt_type="smoothgrad",
                nt_samples=SAMPLES,
                nt_samples_batch_size=4,
                stdevs=spread,
                target=0,
            )
        return found.amax(dim=1).detach()
