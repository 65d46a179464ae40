"""Share groups out among subsets so that each gets its share of every stratum.

Groups are placed one by one, the largest first and the seed deciding among equals, each where it brings the counts
nearest to their targets (squared error over the target, summed over strata; as StratifiedGroupKFold of scikit-learn
does for equal folds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from colles.core.errors import InputError

Counts = npt.NDArray[np.float64]
_HINT = "Add images, or choose smaller --val and --test"


@dataclass(frozen=True)
class Member:
    """One image as the allocation sees it."""

    group: str
    strata: tuple[str, ...]
    """Names of all strata that the image counts in, from the finest to the whole."""
    label: int
    weight: float
    """What the image counts for: one over the copies of its radiograph, 0 where it may only be trained on."""


def allocate(
    members: Sequence[Member], shares: Mapping[str, float], seed: int, *, fixed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return group → subset; groups in `fixed` stay where they are, and the others fill up what is missing.

    A subset without a share takes none but those in `fixed`.

    Raise `InputError` where a subset with a share cannot get an image of each class.
    """
    fixed = fixed or {}
    wanted = {name: share for name, share in shares.items() if share > 0 or name in fixed.values()}
    _assert_possible(members, [name for name in wanted if shares[name] > 0])
    groups, counts = _tabulate(members)
    labels = _label_table(members, groups)
    order = np.random.default_rng(seed).permutation(len(groups))
    order = order[np.argsort(-counts.sum(axis=1)[order], kind="stable")]
    targets = np.array(list(wanted.values()))[:, None] * counts.sum(axis=0)[None, :]
    names = list(wanted)
    taken = {index: names.index(fixed[group]) for index, group in enumerate(groups) if group in fixed}
    place = _greedy(counts, targets, order, taken)
    if not taken:
        place = _repaired(place, counts, targets, labels, names)
    return {group: names[place[index]] for index, group in enumerate(groups)}


def _tabulate(members: Sequence[Member]) -> tuple[list[str], Counts]:
    groups = sorted({member.group for member in members})
    strata = sorted({name for member in members for name in member.strata})
    row = {name: index for index, name in enumerate(groups)}
    column = {name: index for index, name in enumerate(strata)}
    counts = np.zeros((len(groups), len(strata)))
    for member in members:
        counts[row[member.group], [column[name] for name in member.strata]] += member.weight
    return groups, counts


def _label_table(members: Sequence[Member], groups: Sequence[str]) -> Counts:
    row = {name: index for index, name in enumerate(groups)}
    table = np.zeros((len(groups), 2))
    for member in members:
        table[row[member.group], member.label] += member.weight
    return table


def _cost(counts: Counts, have: Counts, targets: Counts) -> Counts:
    # Growth of Σ (have − target)² / target when `counts` are added, a value a subset.
    safe = np.maximum(targets, 1e-9)
    growth = np.where(targets > 0, (2 * counts * (have - targets) + counts**2) / safe, 0.0)
    return np.asarray(growth.sum(axis=1))


def _greedy(
    counts: Counts, targets: Counts, order: npt.NDArray[np.intp], taken: Mapping[int, int]
) -> npt.NDArray[np.intp]:
    have = np.zeros_like(targets)
    closed = ~targets.any(axis=1)
    place = np.zeros(len(counts), dtype=np.intp)
    for group, subset in taken.items():
        place[group] = subset
        have[subset] += counts[group]
    for group in order:
        if int(group) in taken:
            continue
        place[group] = int(np.argmin(np.where(closed, np.inf, _cost(counts[group], have, targets))))
        have[place[group]] += counts[group]
    return place


def _repaired(
    place: npt.NDArray[np.intp], counts: Counts, targets: Counts, labels: Counts, names: list[str]
) -> npt.NDArray[np.intp]:
    # In a small set the greedy order may leave a subset without a class: move the smallest group that another spares.
    place = place.copy()
    for _ in range(2 * len(names)):
        lacking = [(s, c) for s in range(len(names)) for c in (0, 1) if not labels[place == s, c].any()]
        if not lacking:
            return place
        subset, label = lacking[0]
        spare = [g for g in range(len(place)) if labels[g, label] > 0 and _spared(g, place, labels)]
        if not spare:
            break
        place[min(spare, key=lambda g: (counts[g].sum(), g))] = subset
    found = next((s, c) for s in range(len(names)) for c in (0, 1) if not labels[place == s, c].any())
    word = ("image without a fracture", "fracture")[found[1]]
    raise InputError(f"{names[found[0]]} would hold no {word}: too few independent groups", repair=_HINT)


def _spared(group: int, place: npt.NDArray[np.intp], labels: Counts) -> bool:
    rest = place == place[group]
    rest[group] = False
    return bool((labels[rest].sum(axis=0) > 0)[labels[group] > 0].all())


def _assert_possible(members: Sequence[Member], subsets: Sequence[str]) -> None:
    if not members:
        raise InputError("no image is left to split", repair="Check labels, region and the audit's issues")
    for label, word in ((1, "fractures"), (0, "images without a fracture")):
        groups = {member.group for member in members if member.label == label and member.weight > 0}
        if not groups:
            raise InputError(f"there are no {word} to split", repair="Check the class map and the labels")
        if len(groups) < len(subsets):
            text = f"the {word} lie in {len(groups)} independent group{'s' * (len(groups) > 1)}"
            raise InputError(f"{text}, too few for {', '.join(subsets)}", repair=_HINT)
