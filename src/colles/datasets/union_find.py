"""Sets that grow together (union-find): what must stay on one side, in one fold or in one set of copies."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Groups(Generic[T]):
    """Sets of items that grow together; items are added when they are first named."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._parent: dict[T, T] = {item: item for item in items}
        self._size: dict[T, int] = dict.fromkeys(self._parent, 1)

    def find(self, item: T) -> T:
        """Return the item that stands for the set of `item`."""
        if item not in self._parent:
            self._parent[item] = item
            self._size[item] = 1
        root = item
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[item] != root:
            self._parent[item], item = root, self._parent[item]
        return root

    def join(self, first: T, second: T) -> bool:
        """Join the sets of two items; tell whether they were apart."""
        one, other = self.find(first), self.find(second)
        if one == other:
            return False
        if self._size[one] < self._size[other]:
            one, other = other, one
        self._parent[other] = one
        self._size[one] += self._size[other]
        return True

    def join_all(self, items: Iterable[T]) -> None:
        """Join the sets of all `items`."""
        first: T | None = None
        for item in items:
            if first is None:
                first = item
                self.find(item)
            else:
                self.join(first, item)

    def joined(self, first: T, second: T) -> bool:
        """Tell whether two items are in one set."""
        return self.find(first) == self.find(second)

    def sets(self) -> list[list[T]]:
        """Return every set, its items in the order in which they were first named."""
        found: dict[T, list[T]] = {}
        for item in self._parent:
            found.setdefault(self.find(item), []).append(item)
        return list(found.values())
