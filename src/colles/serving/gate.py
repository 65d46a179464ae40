"""The gate: how far a picture's embedding lies from training's, and the limit beyond which it is refused.

The distance is one minus the mean cosine to the nearest training images (Sun et al., ICML 2022, arXiv:2204.06507):
directions tell kinds of pictures apart where lengths follow contrast alone. Taking the root of each number first lets
many small ones count beside a few large ones (Arandjelović and Zisserman, CVPR 2012, section 3). docs/experiments.md
has the alternatives.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from colles.core.drawn import drawn_places
from colles.core.errors import BundleError
from colles.core.files import atomic_path

if TYPE_CHECKING:
    from colles.serving.bundle import Bundle

Features = NDArray[np.float32]
"""(N, d), a row an image."""
FILE = "gate.npz"
NEIGHBOURS = 5
REFERENCES = 1000
"""At most; drawn by seed from more training images."""
LEAST = 20
"""Training images below which there is no gate."""
POWER = 0.5
"""Of new gates; those made before it was told have 1."""
SAME = 1e-3
"""Distance to one reference below which it is the same picture: learned ones reached 1e-4, other films 0.01."""
_ARRAY = "references"
_WIDEST = 1 << 16


@dataclass(frozen=True)
class Gate:
    """Refuse embeddings that lie too far from training's."""

    references: Features
    """(n, d) training images' embeddings, each of length 1 up to its rounding to 16 bits."""
    limit: float
    """Largest distance (0–2) that is let through."""
    power: float = POWER
    """What the size of each number of an embedding is raised to; the references are so already."""

    @classmethod
    def fit(cls, train: Features, val: Features, *, false_refusals: float) -> Self:
        """Fit on training embeddings (n, d); the limit lets all but `false_refusals` of val's (m, d) through.

        Raise `ValueError` for fewer than `LEAST` training images or no val image.
        """
        if len(train) < LEAST or not len(val):
            raise ValueError(f"{len(train)} training and {len(val)} val images are too few for a gate")
        chosen = drawn_places(len(train), REFERENCES, np.random.default_rng(0))
        draft = cls(_directions(train[chosen], POWER).astype(np.float16).astype(np.float32), 2.0)
        limit = float(np.quantile(draft.distance(val), 1 - false_refusals, method="higher"))
        # Rounded up, so that the last bits of another processor refuse nobody.
        return cls(draft.references, float(np.ceil(limit * 1e4) / 1e4))

    @classmethod
    def of(cls, bundle: Bundle) -> Self | None:
        """Return a bundle's gate, or None where it has none; raise `BundleError` where it cannot be read."""
        if bundle.metadata.gate is None:
            return None
        data = bundle.read(FILE)
        try:
            references = _stored(data)
        except Exception as error:  # zipfile, its decoders and numpy raise many kinds on damaged bytes
            raise BundleError(f"is no gate ({error})", path=bundle.folder / FILE, repair="Export again") from error
        return cls(references, bundle.metadata.gate.limit, bundle.metadata.gate.power)

    def assert_fits(self, width: int | None, name: str) -> None:
        """Raise `BundleError` where a graph's embedding is not of the references' width, or is not there (None)."""
        if width != self.references.shape[1]:
            given = "no embedding" if width is None else f"an embedding of {width} numbers"
            raise BundleError(
                f"the graph gives {given}, where the gate compares {self.references.shape[1]}",
                path=name,
                repair="Export again",
            )

    def save(self, folder: Path) -> Path:
        """Write `gate.npz` into a folder; the same gate gives the same bytes."""
        arrays: dict[str, Any] = {_ARRAY: self.references.astype(np.float16)}
        with atomic_path(folder / FILE) as temporary:
            np.savez(temporary, **arrays)
        return folder / FILE

    def distance(self, embeddings: Features) -> NDArray[np.float64]:
        """Return how unlike training each embedding (n, d) is: 0 for the same direction, 1 for none in common."""
        cosines = self._cosines(embeddings)
        count = min(NEIGHBOURS, len(self.references))
        nearest = np.partition(cosines, cosines.shape[1] - count, axis=1)[:, -count:]
        return np.asarray(1.0 - nearest.mean(axis=1), dtype=np.float64)

    def keeps(self, embeddings: Features) -> NDArray[np.bool_]:
        """Tell which embeddings (n, d) are those of references: the network learned from these pictures."""
        return np.asarray(self._cosines(embeddings).max(axis=1) > 1 - SAME, dtype=np.bool_)

    def _cosines(self, embeddings: Features) -> NDArray[np.float32]:
        # Not by BLAS: its threads spin for each other, which cost six milliseconds of the cores an image.
        return np.asarray(np.einsum("nd,rd->nr", _directions(embeddings, self.power), self.references))

    def refuse(self, embeddings: Features) -> Sequence[str | None]:
        """Return a reason an embedding that is refused, else None."""
        return [
            None
            # A NaN is refused too: no comparison with it is true.
            if distance <= self.limit
            else f"unlike the radiographs it learned from: distance {distance:.3f}, the limit is {self.limit:.3f}"
            for distance in self.distance(embeddings)
        ]


def _stored(data: bytes) -> Features:
    # The header comes first: a file of two megabytes can claim, and unpack to, gigabytes.
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(f"{_ARRAY}.npy") as stream:
        np.lib.format.read_magic(stream)
        shape, turned, kind = np.lib.format.read_array_header_1_0(stream)
        fits = len(shape) == 2 and 0 < shape[0] <= REFERENCES and 0 < shape[1] <= _WIDEST
        if kind != np.float16 or turned or not fits:
            wanted = f"at most {REFERENCES} rows of at most {_WIDEST} numbers of 16 bits"
            raise ValueError(f"it holds {shape} of {kind}; wanted {wanted}")
        return np.frombuffer(stream.read(2 * shape[0] * shape[1]), np.float16).reshape(shape).astype(np.float32)


def _directions(embeddings: Features, power: float) -> Features:
    raised = embeddings if power == 1.0 else np.sign(embeddings) * np.abs(embeddings) ** power
    lengths = np.linalg.norm(raised, axis=1, keepdims=True)
    return np.asarray(raised / np.maximum(lengths, 1e-12), dtype=np.float32)
