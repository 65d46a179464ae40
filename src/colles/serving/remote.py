"""Images in object stores and other file systems that pyarrow knows: `s3://`, `gs://`, `hdfs://`, `file://`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from colles.core.errors import MissingInputError
from colles.core.extras import require
from colles.imaging.read import unreadable
from colles.serving.kinds import HEAD, LOOKED_FOR, is_image

_REQUESTS = 16  # at once, while a prefix is listed
_URI = re.compile(r"^[a-z][a-z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file by its URI."""

    uri: str

    def __str__(self) -> str:
        return self.uri

    @property
    def refusal(self) -> str | None:
        """None: every remote file is looked at."""
        return None

    def read(self, max_bytes: int) -> bytes:
        """Return the bytes; raise `UnreadableImageError` where they cannot be had or are too many."""
        try:
            store, path = _store(self.uri)
            size = store.get_file_info(path).size
            if size is not None and size > max_bytes:
                raise unreadable("too_large", f"{size} bytes are above the limit of {max_bytes}", self.uri)
            with store.open_input_file(path) as stream:
                return bytes(stream.read(max_bytes + 1))
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise unreadable("unreadable", f"cannot be opened ({reason})", self.uri) from error


def is_uri(item: object) -> bool:
    """Tell whether an input names another file system."""
    return isinstance(item, str) and _URI.match(item) is not None


def remote_images(uri: str) -> Iterator[RemoteFile]:
    """Yield a file itself, or the images below a prefix by name; hidden ones do not count.

    Raise `MissingInputError` where the store cannot be reached or the prefix holds no image.
    """
    try:
        store, path = _store(uri)
        info = store.get_file_info(path)
        if info.type.name != "Directory":
            yield RemoteFile(uri)
            return
        from pyarrow.fs import FileSelector

        below = sorted(each.path for each in store.get_file_info(FileSelector(path, recursive=True)) if each.is_file)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MissingInputError(f"cannot be listed ({reason})", path=uri, repair="Check address and rights") from error
    # Some have to be opened to be told, and a store answers each such request late, but many at once.
    with ThreadPoolExecutor(_REQUESTS) as pool:
        wanted = pool.map(lambda each: _is_image(each[len(path) :], partial(_head, store, each)), below)
        found = [each for each, counts in zip(below, wanted, strict=True) if counts]
    if not found:
        raise MissingInputError("no images below it", path=uri, repair=f"Looked for {LOOKED_FOR}")
    prefix = uri[: len(uri) - len(path.rstrip("/")) - (len(uri) - len(uri.rstrip("/")))] if path else uri
    yield from (RemoteFile(prefix + each) for each in found)


def _is_image(path: str, head: Callable[[], bytes | None]) -> bool:
    return not any(part.startswith(".") for part in path.split("/")) and is_image(path, head)


def _head(store: Any, path: str) -> bytes | None:
    try:
        with store.open_input_file(path) as stream:
            return bytes(stream.read(HEAD))
    except (OSError, ValueError):
        return None


def _store(uri: str) -> tuple[Any, str]:
    return tuple(require("pyarrow.fs", "ray").FileSystem.from_uri(uri))
