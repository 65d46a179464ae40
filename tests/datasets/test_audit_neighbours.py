from __future__ import annotations

import numpy as np
import pytest

from colles.datasets.audit import neighbours
from colles.datasets.audit.neighbours import Floats, Numbers, Search, nearest

Pair = tuple[int, int, int]
Planted = tuple[Floats, list[Floats], Numbers]


@pytest.fixture
def planted() -> Planted:
    """Draw 400 unit vectors; 3 lies near 2, the second query of 10 near 11, and 21 opposite to that of 20.

    30 and 31 are equal and kin. Each of two queries is looked for.
    """
    rng = np.random.default_rng(0)
    stored, second = (rng.normal(size=(400, 24)).astype(np.float32) for _ in range(2))
    stored[3] = stored[2] + 0.1 * stored[3]
    second[10] = stored[11]
    second[20] = -stored[21]
    stored[31] = stored[30]
    kin = np.arange(400)
    kin[31] = kin[30]
    stored, second = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (stored, second))
    return stored, [stored, second], kin


def found(planted: Planted, *, negatives: bool) -> dict[Pair, float]:
    search = Search(count=40, least=0.5)
    return {(a, b, query): cosine for a, b, query, cosine in nearest(*planted, search, negatives=negatives)}


@pytest.mark.parametrize("negatives", [False, True])
def test_a_large_set_is_searched_by_cells_with_the_answers_of_a_small_one(
    planted: Planted, negatives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = found(planted, negatives=negatives)
    step = 2 if negatives else 1
    known = {(2, 3, 0), (3, 2, 0), (10, 11, step)} | ({(20, 21, 3)} if negatives else set())
    assert known <= every.keys()
    monkeypatch.setattr(neighbours, "_LARGE", 1)
    by_cells = found(planted, negatives=negatives)
    assert known <= by_cells.keys() and len(by_cells) > 0.5 * len(every)
    # cells far away are not looked into, so the stronger of two queries may be missed
    highest = {(a, b): cosine for (a, b, _), cosine in every.items()}
    assert all(cosine <= highest[a, b] + 1e-5 for (a, b, _), cosine in by_cells.items())
    same = [by_cells[pair] - every[pair] for pair in by_cells.keys() & every.keys()]
    assert len(same) > 0.9 * len(by_cells) and np.abs(same).max() < 1e-5


@pytest.fixture(params=["by cells", "one by one"])
def searched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search in either way."""
    monkeypatch.setattr(neighbours, "_LARGE", 1 if request.param == "by cells" else 10_000)


@pytest.mark.usefixtures("searched")
def test_kin_are_no_neighbours_and_none_is_named_twice(planted: Planted) -> None:
    stored, _, kin = planted
    pairs = [pair[:2] for pair in nearest(stored, [stored, stored], kin, Search(count=5, least=0.5))]
    assert len(pairs) == len(set(pairs))
    assert (2, 3) in pairs and (30, 31) not in pairs and not any(a == b for a, b in pairs)


@pytest.mark.usefixtures("searched")
def test_a_neighbour_has_to_be_nearer_than_strangers_are(planted: Planted) -> None:
    stored, _, kin = planted
    near = {pair[:2] for pair in nearest(stored, [stored], kin, Search(count=5, least=0.9, margin=0.4))}
    assert near == {(2, 3), (3, 2)}
    assert not list(nearest(stored, [stored], kin, Search(count=5, least=0.9, margin=0.9)))
