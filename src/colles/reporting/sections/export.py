"""What ships: the bundle, and that it gives the trained network's scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.core.files import sha256_json
from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Details, Missing, Table
from colles.reporting.sections.base import Section


class Export(Section):
    """Parity and digests."""

    name = "export"
    title = "Exported bundle"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if run.bundle is None:
            return [Missing("No bundle.", "colles export RUN --out DIR")]
        rows = [(label, text) for label, key in _ROWS if (text := _text(run.bundle.get(key)))]
        rows += [(f"Parity: {key.replace('_', ' ')}", _text(value)) for key, value in _items(run.bundle.get("parity"))]
        blocks: list[Block] = []
        if run.manifest is not None:
            rows.append(("Digest of the manifest", sha256_json(run.manifest)))
            files = _files(run.manifest)
            if files:
                table = Table(("File", "sha256"), files, text_columns=frozenset({0, 1}))
                blocks.append(Details(f"Files of the bundle ({len(files)})", (table,)))
        caption = (
            "Parity: largest difference between the checkpoint's and the exported network's output on real pixels."
        )
        return [Table(("", ""), tuple(rows), caption, frozenset({0, 1})), *blocks]


_ROWS = (("Name", "name"), ("Version", "version"), ("Intended use", "intended_use"))


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


def _files(manifest: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    files = manifest.get("files", manifest)
    if not isinstance(files, Mapping):
        return ()
    found = []
    for name, entry in files.items():
        digest = entry.get("sha256") if isinstance(entry, Mapping) else entry
        if isinstance(digest, str):
            found.append((str(name), digest))
    return tuple(found)
