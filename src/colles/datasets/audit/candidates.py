"""Which pairs of pictures are worth a second look: near hashes, alike layouts, alike spectra, alike embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from colles.datasets.audit.canvases import Described
from colles.datasets.audit.descriptors import SCALES, Floats, signatures
from colles.datasets.audit.hash_pairs import near_pairs
from colles.datasets.audit.hashes import framed_hashes
from colles.datasets.audit.neighbours import Numbers, Search, Whitening, nearest
from colles.datasets.audit.orientations import ORIENTATIONS, orient

_LAYOUTS = Search(count=3, least=0.78, margin=0.28)
_SPECTRA = Search(count=4, least=0.46, margin=0.17)
_EMBEDDINGS = Search(count=4, least=0.60, margin=0.15)


@dataclass
class Suspicion:
    """Why two pictures may show one radiograph."""

    first: int
    second: int
    turns: list[tuple[int, bool]] = field(default_factory=list)
    """Orientations, with inversion, in which the second looks like the first as a whole."""
    free: bool = False
    """True where any turn, size and crop may be behind it."""
    strength: float = 0.0
    """0 to 1; the strongest are looked at first."""
    found_by: set[str] = field(default_factory=set)


class Suspicions:
    """Pairs under suspicion, each once."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[int, int], Suspicion] = {}

    def add(self, first: int, second: int, by: str, strength: float, turn: tuple[int, bool] | None = None) -> None:
        """Add a reason; `turn` takes the second to the first, whose index is the smaller one; None leaves it open."""
        found = self.pairs.setdefault((first, second), Suspicion(first, second))
        found.strength = max(found.strength, strength)
        found.found_by.add(by)
        if turn is None:
            found.free = True
        elif turn not in found.turns:
            found.turns.append(turn)

    def ordered(self) -> list[Suspicion]:
        """Return the pairs, the strongest first."""
        return sorted(self.pairs.values(), key=lambda pair: (-round(pair.strength, 4), pair.first, pair.second))


def suspect(seen: Described, kin: Numbers, *, hash_distance: int, embeddings: Floats | None = None) -> Suspicions:
    """Propose pairs among described pictures; `kin` (N,) numbers sets known to be copies, `embeddings` are (N, d)."""
    found = Suspicions()
    if len(seen) < 2:
        return found
    for near in near_pairs(framed_hashes(seen.waves), hash_distance, kin):
        found.add(near.first, near.second, "hash", 1.0, (near.orientation, near.inverted))
    _by_layout(found, seen, kin)
    _by_spectrum(found, seen, kin)
    if embeddings is not None:
        _by_embedding(found, embeddings, kin)
    return found


def _by_layout(found: Suspicions, seen: Described, kin: Numbers) -> None:
    turned = [np.ascontiguousarray(orient(seen.layouts, index)).reshape(len(seen), -1) for index in range(8)]
    # No mean is taken off, so that an inverted picture has the opposite vector.
    learned = Whitening.learn(np.concatenate([each[::8] for each in turned]), size=96, power=0.5, centred=False)
    views = [learned.apply(each) for each in turned]
    for row, other, view, value in nearest(views[0], views, kin, _LAYOUTS, negatives=True):
        # The query is `row`, oriented: it looks like `other`.
        orientation, inverted = view // 2, bool(view % 2)
        if row > other:
            found.add(other, row, "layout", value, (orientation, inverted))
        else:
            found.add(row, other, "layout", value, (_INVERSE[orientation], inverted))


def _by_spectrum(found: Suspicions, seen: Described, kin: Numbers) -> None:
    plain = signatures(seen.spectra)
    learned = Whitening.learn(plain, size=128, power=0.75)
    stored = learned.apply(plain)
    sizes = [stored if scale == 1.0 else learned.apply(signatures(seen.spectra, scale)) for scale in SCALES]
    for row, other, _, value in nearest(stored, sizes, kin, _SPECTRA):
        found.add(min(row, other), max(row, other), "spectrum", value)


def _by_embedding(found: Suspicions, embeddings: Floats, kin: Numbers) -> None:
    learned = Whitening.learn(embeddings, size=128, power=0.5)
    stored = learned.apply(embeddings)
    for row, other, _, value in nearest(stored, [stored], kin, _EMBEDDINGS):
        found.add(min(row, other), max(row, other), "embedding", value)


def chosen_embeddings(ids: list[str], table: Mapping[str, npt.NDArray[np.float32]]) -> Floats | None:
    """Stack the embeddings of pictures in order, (N, d); None where one is missing."""
    if not ids or any(image not in table for image in ids):
        return None
    return np.stack([np.asarray(table[image], np.float32) for image in ids])


# Quarter turns undo each other; a mirrored orientation undoes itself.
_INVERSE = tuple((4 - index) % 4 if index < 4 else index for index in range(len(ORIENTATIONS)))
