"""Finished networks whose answers are learned beside the labels (Hinton G et al., distillation, arXiv:1503.02531).

Several teachers answer with their mean, so that one network comes near what an ensemble knows, at the cost of one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from colles.core.errors import RecipeError
from colles.core.recipe import PreprocessRecipe
from colles.learning.checkpoint import load_classifier
from colles.learning.models import FractureClassifier
from colles.learning.models.second_look import LEAST_SIZE

FIELD = "train.teachers"


class Teachers:
    """The mean answer of finished networks on a batch; they learn nothing themselves."""

    def __init__(self, members: Sequence[FractureClassifier], *, prior_shift: float = 0.0) -> None:
        """`prior_shift` is what the learner's own logits are moved by once it is trained: the answers lack it."""
        self.members, self.prior_shift = nn.ModuleList(members).requires_grad_(False).eval(), prior_shift

    def to(self, device: torch.device) -> Teachers:
        """Move the networks to where the learner is."""
        self.members.to(device)
        self.members.to(memory_format=torch.channels_last)
        return self

    @torch.no_grad()
    def answer(self, image: Tensor) -> dict[str, Tensor]:
        """Return the mean `logit` (N, 1) and, where all have location maps of one size, the mean `cam` (N, 1, h, w)."""
        found = [member.outputs(image) for member in self.members]  # type: ignore[operator]
        answers = {"logit": _mean(found, "logit") - self.prior_shift}
        located = all(member.map_kind == "location" for member in self.members)
        if located and len({each["cam"].shape for each in found}) == 1:
            answers["cam"] = _mean(found, "cam")
        return answers


def _mean(found: Sequence[dict[str, Tensor]], name: str) -> Tensor:
    return torch.stack([each[name].float() for each in found]).mean(0)


def load_teachers(
    paths: Sequence[str], preprocess: PreprocessRecipe, *, prior_shift: float, sizes: Sequence[int] = ()
) -> Teachers | None:
    """Load run folders, bundles or checkpoints as teachers; None without any.

    Raise `MissingInputError` or `BundleError` as `load_classifier` does, `RecipeError` where a teacher wants other
    pixels than the learner: another `fit`, `channels`, `mean` or `std`. The learner's `sizes`, where they grow, or its
    `size` hold for all; `simple_cnn` knows only its own, and a second look none below its least.
    """
    if not paths:
        return None
    members = []
    for path in paths:
        member, wanted = load_classifier(path)
        differing = [name for name in ("fit", "channels", "mean", "std") if _differs(wanted, preprocess, name)]
        if any(not _knows(member, wanted.size, size) for size in sizes or (preprocess.size,)):
            differing.append("size")
        if differing:
            raise RecipeError(
                f"{path} was trained with another preprocess.{differing[0]}",
                field=FIELD,
                repair="Choose teachers of the same preprocessing",
            )
        members.append(member)
    return Teachers(members, prior_shift=prior_shift)


def _knows(member: FractureClassifier, own: int, size: int) -> bool:
    """Tell whether a network that was trained on pictures of `own` pixels answers on some of `size`."""
    return size == own if member.name == "simple_cnn" else size >= LEAST_SIZE or not member.second_look


def _differs(one: PreprocessRecipe, other: PreprocessRecipe, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))
