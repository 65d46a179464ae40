"""A second look: the places that a finished network's map proposes are cut out, enlarged and judged by a copy of it.

The first network stays as it is, the copy learns places. The image's logit is the first one's plus a share of the
likeliest place's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from colles.learning.loaders.targets import Boxes, boxes_inside, location_target
from colles.learning.models.base import FractureClassifier
from colles.learning.models.location import COARSEST, LocationClassifier

SHARE = 0.7
"""Of the likeliest place's logit, added to the image's; chosen on val, where 0.4 to 1.0 fare alike."""
PLACES = 5
"""Looked at in each image."""
LEAST_SIZE = 64
"""Side of the smallest canvas in pixels: its map has more cells than places are proposed."""
_ENLARGED = 0.7  # pixels of the canvas a pixel of the enlarged place
_LOOKS = 2  # places of each image that a training step looks at
_DRAWN = (0.40, 0.25, 0.15, 0.10, 0.10)  # how often the likeliest, the second … place is drawn for them
_OFF_BOX, _OFF_PEAK = 0.27, 0.11  # how far a place of training lies off a box's centre or a peak at most, of its side


class SecondLook(FractureClassifier):
    """A finished location network, and a copy that looks again at places. Map and embedding are the first one's."""

    map_kind = "location"
    second_look = True

    def __init__(self, first: LocationClassifier, *, size: int) -> None:
        """`size` is the canvas' side in pixels."""
        super().__init__()
        self.name, self.weights_from, self.map_stride = first.name, first.weights_from, first.map_stride
        self.first, self.size = first, size
        self.side = max(2, round(size * 10 / 32 / COARSEST)) * COARSEST
        self.reach = self.side * _ENLARGED
        self.look = copy.deepcopy(first)
        self.bias = nn.Parameter(torch.zeros(1))
        self.last_feature_layer = first.last_feature_layer
        first.requires_grad_(False)
        self.bias.requires_grad_(False)

    def start(self, *, prior_shift: float = 0.0) -> None:
        """Let the second network begin as the first, once this one has its weights.

        `prior_shift` is added to the first one's logits: it is finished, and its scores are to be as it gives them.
        """
        with torch.no_grad():
            self.first.last_bias.add_(prior_shift)
        self.look.load_state_dict(self.first.state_dict())

    @property
    def head(self) -> nn.Linear:  # type: ignore[override]
        """The first network's."""
        return self.first.head

    @property
    def last_bias(self) -> Tensor:
        """The number that is added last to every logit."""
        return self.bias

    def _maps(self, x: Tensor) -> Tensor:
        return self.first._maps(x)

    def _embed(self, features: Tensor) -> Tensor:
        return self.first._embed(features)

    def backbone_modules(self) -> list[nn.Module]:
        """Return the first network and the second one's layers."""
        return [self.first, self.look.backbone]

    def stages(self) -> list[list[nn.Module]]:
        """Return the stages of the second network."""
        return self.look.stages()

    def learn_stages(self, last: int | None) -> None:
        """Let the `last` stages of the second network learn; the first one rests always."""
        super().learn_stages(last)
        self.first.requires_grad_(False)

    def train(self, mode: bool = True) -> SecondLook:
        """Set training mode, but not of the first network."""
        super().train(mode)
        self.first.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 1) of a normalised batch (N, C, S, S)."""
        return self.outputs(x)["logit"]

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return `logit` of both looks, and `embedding` and location map `cam` (N, 1, h, w) of the first."""
        found = self.first.outputs(x)
        seen = self.look(self._cut(x, propose(found["cam"], self.map_stride)))
        likeliest = seen.reshape(-1, PLACES).amax(dim=1, keepdim=True)
        return {**found, "logit": found["logit"] + SHARE * likeliest + self.bias}

    def training_outputs(self, x: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what `look_loss` reads of places of a batch: proposed ones, and one near a box where there is any."""
        boxes, located = batch["boxes"], batch["located"]
        with torch.no_grad():
            centres = self._draw(propose(self.first.outputs(x)["cam"], self.map_stride), boxes, x.shape[-1])
            expected = expect(boxes, located, centres, self.reach, self.side // self.map_stride)
        found = self.look.parts(self._cut(x, centres))
        return {**{f"look_{name}": found[name] for name in ("logit", "pooled", "cam")}, **expected}

    def _draw(self, proposed: Tensor, boxes: Tensor, size: int) -> Tensor:
        odds = torch.tensor(_DRAWN, device=proposed.device).expand(len(proposed), -1)
        drawn = torch.multinomial(odds, _LOOKS)
        centres = proposed.gather(1, drawn[..., None].expand(-1, -1, 2))
        centres = centres + self.reach * _OFF_PEAK * (2 * torch.rand_like(centres) - 1)
        middles = (boxes[..., :2] + boxes[..., 2:]) / 2
        known = ((middles >= 0) & (middles < size)).all(-1)  # NaN, or moved off the canvas, are not
        one = torch.multinomial(known.float() + 1e-9, 1)[:, 0]
        middle = middles[torch.arange(len(boxes)), one]
        near = middle + self.reach * _OFF_BOX * (2 * torch.rand_like(middle) - 1)
        return torch.cat([torch.where(known.any(1)[:, None], near, centres[:, 0])[:, None], centres[:, 1:]], dim=1)

    def _cut(self, x: Tensor, centres: Tensor) -> Tensor:
        """Return the places (N·k, C, s, s) about `centres` (N, k, 2), enlarged."""
        count = centres.shape[1]
        # a cut of pixels [0, S) to [-1, 1): grid_sample counts from the outer edges
        steps = (torch.arange(self.side, device=x.device, dtype=x.dtype) + 0.5) * _ENLARGED - self.reach / 2
        columns = centres[:, :, None, None, 0] + steps[None, None, None, :]
        rows = centres[:, :, None, None, 1] + steps[None, None, :, None]
        shape = (-1, count, self.side, self.side)
        grid = torch.stack([columns.expand(shape), rows.expand(shape)], dim=-1) * (2 / x.shape[-1]) - 1
        long = grid.reshape(-1, count * self.side, self.side, 2)
        cut = nn.functional.grid_sample(x, long.to(x.dtype), padding_mode="border", align_corners=False)
        parts = cut.reshape(-1, x.shape[1], count, self.side, self.side).transpose(1, 2)
        return parts.reshape(-1, x.shape[1], self.side, self.side)


def propose(cam: Tensor, stride: int) -> Tensor:
    """Return the centres (N, 5, 2) as x, y in canvas pixels of the highest local maxima of maps (N, 1, h, w)."""
    highest = nn.functional.max_pool2d(cam, 3, stride=1, padding=1)
    likely = torch.sigmoid(cam)
    cells = torch.where(cam >= highest, likely + 1.0, likely).flatten(1).topk(PLACES, dim=1).indices
    width = cam.shape[-1]
    return (torch.stack([cells % width, cells // width], dim=-1).to(cam.dtype) + 0.5) * stride


def expect(boxes: Tensor, located: Tensor, centres: Tensor, reach: float, cells: int) -> dict[str, Tensor]:
    """Return what the places show: `look_label` (M, 1), `look_known` (M,) and `look_target` (M, 1, `cells`, `cells`).

    `boxes` (N, K, 4) are in canvas pixels, NaN where there is none; `located` (N,) is 0 where fractures are unknown.
    A place that holds a part of a box and no box's centre is unknown as well.
    """
    corner = (centres - reach / 2)[:, :, None].repeat(1, 1, 1, 2)
    moved = ((boxes[:, None] - corner) * (cells / reach)).flatten(0, 1).cpu().numpy()
    found = [_expect(each[~np.isnan(each[:, 0])], cells) for each in moved]
    label, known, target = (torch.from_numpy(np.stack(part)).to(boxes.device) for part in zip(*found, strict=True))
    sure = known * located.repeat_interleave(centres.shape[1])
    return {"look_label": label[:, None], "look_known": sure, "look_target": target}


def _expect(boxes: Boxes, cells: int) -> tuple[np.float32, np.float32, NDArray[np.float32]]:
    """Return label, whether it is known, and target (1, `cells`, `cells`) of one place; boxes are in its cells."""
    label = bool(len(boxes_inside(boxes, cells)))
    partly = ((boxes[:, :2] < 0.95 * cells) & (boxes[:, 2:] > 0.05 * cells)).all(axis=1).any()
    return np.float32(label), np.float32(label or not partly), location_target(boxes, cells, 1)


def has_look(keys: Iterable[str]) -> bool:
    """Tell whether tensors of these names are a second look's."""
    return any(key.startswith("look.") for key in keys)
