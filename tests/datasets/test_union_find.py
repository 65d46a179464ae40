from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from colles.datasets.union_find import Groups

edges = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20)


@given(edges)
def test_sets_are_the_connected_components(pairs: list[tuple[int, int]]) -> None:
    groups = Groups(range(13))
    for one, other in pairs:
        groups.join(one, other)
    near = {item: {item} for item in range(13)}
    for one, other in pairs:
        near[one].add(other)
        near[other].add(one)
    for item in range(13):
        reached, todo = set(), [item]
        while todo:
            here = todo.pop()
            if here not in reached:
                reached.add(here)
                todo += near[here]
        assert next(set(found) for found in groups.sets() if item in found) == reached


def test_join_tells_whether_the_sets_were_apart() -> None:
    groups: Groups[str] = Groups()
    assert groups.join("a", "b")
    assert not groups.join("b", "a")
    groups.join_all(["c", "d", "e"])
    assert groups.joined("c", "e") and not groups.joined("a", "e")
