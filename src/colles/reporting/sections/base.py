"""What a section is: a name, a title, and blocks made from a run's artefacts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block


class Section(ABC):
    """One part of the report."""

    name: ClassVar[str]
    """Anchor in the page."""
    title: ClassVar[str]

    @abstractmethod
    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        """Return the blocks; a `Missing` block where files are absent. `page` is the report's own path."""
