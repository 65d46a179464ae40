"""What an interrupted `colles explain` had finished, kept beside its pictures, so that `--resume` does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from colles.core.errors import StaleInputError
from colles.core.files import sha256_file, sha256_json
from colles.flow.explain import Item
from colles.flow.pictures import Entry, Look
from colles.serving.bundle import find_bundle
from colles.serving.journal import Journal, json_lines
from colles.serving.manifest import MANIFEST
from colles.serving.maps import MapSource
from colles.serving.output import as_utf8

EXPLANATIONS = "explanations.json"


class BegunMaps:
    """The entries of the images that are done, by their place in the list of images."""

    def __init__(self, out: Path, settings: dict[str, Any], *, resume: bool) -> None:
        """Go on with what lies in `out`, or start anew.

        Raise `StaleInputError` where it was begun with other settings.
        """
        self._journal = Journal(out / EXPLANATIONS)
        resume = resume and self._journal.path.is_file()
        self.kept = self._read(settings) if resume else {}
        self._journal.open(keep=resume)
        if not resume:
            self._journal.append({"settings": settings})

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is left, or remove it where all is done: explanations.json holds it then."""
        self._journal.close(done=kind is None)

    def add(self, place: int, entries: list[Entry]) -> None:
        """Add an image's entries."""
        self._journal.append({"place": place, "entries": entries})

    def _read(self, settings: dict[str, Any]) -> dict[int, list[Entry]]:
        rows = list(json_lines(self._journal.path, strict=False))
        before: dict[str, Any] = next((row["settings"] for row in rows if "settings" in row), {})
        changed = [name for name in settings if before.get(name) != settings[name]]
        if changed:
            raise StaleInputError(
                f"was begun with another {', '.join(changed)}",
                path=self._journal.path.parent,
                repair="Resume with what it began with, choose another --out, or start over with --overwrite",
            )
        return {row["place"]: row["entries"] for row in rows if "place" in row}


def is_begun(out: Path) -> bool:
    """Tell whether an interrupted run left something to go on with in `out`."""
    return Journal(out / EXPLANATIONS).path.is_file()


def begun_settings(
    model: Path, source: MapSource, items: Sequence[Item], style: Look, *, sample: int, seed: int
) -> dict[str, Any]:
    """Return all that the pictures and entries of these images depend on, as JSON values."""
    known = [
        (as_utf8(str(item.path)), item.image_id, item.label, [box.model_dump() for box in item.boxes]) for item in items
    ]
    return {
        "model": _network(model),
        "method": [method.name for method in source.methods],
        "target": source.target,
        "list of images": sha256_json(known),
        "look": asdict(style),
        "sample": [sample, seed],
    }


def _network(model: Path) -> str:
    place = model if model.exists() else find_bundle(model)
    if (place / MANIFEST).is_file():
        return sha256_file(place / MANIFEST)
    from colles.learning.weights_file import find_weights

    return sha256_file(find_weights(place))
