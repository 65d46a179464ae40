"""Files that survive a power cut: written to a temporary name, synced, renamed, and the folder synced too."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from colles.core.files import to_json

Piece = bytes | memoryview


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each known to the disk, readable by their owner alone."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; where folders cannot be opened (Windows), do nothing."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path, pieces: Iterable[Piece]) -> str:
    """Write a new file and wait for the disk; return its sha256. A failure leaves none behind."""
    digest = hashlib.sha256()
    try:
        with path.open("xb") as stream:
            for piece in pieces:
                stream.write(piece)
                digest.update(piece)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def write_durable(path: Path, data: bytes) -> None:
    """Write or replace a file; whoever reads it, also after a power cut, finds the old or the new one."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    write_synced(temporary, [data])
    os.replace(temporary, path)
    sync_folder(path.parent)


def write_json_durable(path: Path, value: Any) -> None:
    """Write JSON the same way."""
    write_durable(path, to_json(value).encode())
