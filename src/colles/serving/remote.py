"""Images in object stores and other file systems that pyarrow knows: `s3://`, `gs://`, `hdfs://`, `file://`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from colles.core.errors import MissingInputError
from colles.core.extras import require
from colles.core.walk import is_hidden
from colles.imaging.dicom_mark import HEAD
from colles.imaging.read import unreadable
from colles.serving.kinds import LOOKED_FOR, is_dicom_head, told_by_name

_REQUESTS = 16  # at once, while a prefix is listed
_SAFE = "/:@!$&'()*+,;=~%"  # what a path may hold beside letters and digits (RFC 3986, 3.3), and its escapes
_OPTIONS = re.compile(r"\?\w+=[^?]*$")  # region=…&endpoint_override=…; any other ? is part of a name
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_URI = re.compile(r"^[a-z][a-z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file by its URI."""

    uri: str
    source: tuple[Any, str] | None = field(default=None, compare=False, repr=False)
    """The open store and the path in it, where they are known; else the URI says both."""

    def __str__(self) -> str:
        return self.uri

    @property
    def refusal(self) -> str | None:
        """None: every remote file is looked at."""
        return None

    def read(self, max_bytes: int) -> bytes:
        """Return the bytes; raise `UnreadableImageError` where they cannot be had or are too many."""
        try:
            store, path = self.source or _store(self.uri)
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
            yield RemoteFile(uri, (store, path))
            return
        from pyarrow.fs import FileSelector

        below = sorted(each.path for each in store.get_file_info(FileSelector(path, recursive=True)) if each.is_file)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MissingInputError(f"cannot be listed ({reason})", path=uri, repair="Check address and rights") from error
    names = [each[len(path.rstrip("/")) :].lstrip("/") for each in below]
    wanted = _wanted(store, names, below)
    found = [(name, each) for name, each in zip(names, below, strict=True) if each in wanted]
    if not found:
        raise MissingInputError("no images below it", path=uri, repair=f"Looked for {LOOKED_FOR}")
    place, folder, options = _parts(uri)
    prefix = f"{place}{folder.rstrip('/')}/"
    yield from (RemoteFile(prefix + _escaped(name) + options, (store, each)) for name, each in found)


def _wanted(store: Any, names: Sequence[str], paths: Sequence[str]) -> set[str]:
    """Return the paths of images; a few have to be opened to be told, which a store answers late, but many at once."""
    told = {path: told_by_name(name) for name, path in zip(names, paths, strict=True) if not _is_hidden(name)}
    unclear = [path for path, said in told.items() if said is None]
    with ThreadPoolExecutor(_REQUESTS) as pool:
        heads = pool.map(partial(_head, store), unclear)
        opened = {path for path, head in zip(unclear, heads, strict=True) if is_dicom_head(head)}
    return opened.union(path for path, said in told.items() if said)


def _is_hidden(name: str) -> bool:
    return any(map(is_hidden, name.split("/")))


def _head(store: Any, path: str) -> bytes | None:
    try:
        with store.open_input_file(path) as stream:
            return bytes(stream.read(HEAD))
    except (OSError, ValueError):
        return None


def _store(uri: str) -> tuple[Any, str]:
    place, path, options = _parts(uri)
    address = place + quote(path, safe=_SAFE) + options
    return tuple(require("pyarrow.fs", "ray").FileSystem.from_uri(address))


def _parts(uri: str) -> tuple[str, str, str]:
    """Divide a URI into scheme and host, path, and options; in the path a `%` always begins an escape."""
    scheme, _, rest = uri.partition("://")
    options = _OPTIONS.search(rest)
    host, slash, path = rest[: options.start() if options else None].partition("/")
    if not _is_escaped(path):
        path = path.replace("%", "%25")
    return f"{scheme}://{host}", slash + path, options[0] if options else ""


def _is_escaped(path: str) -> bool:
    try:
        unquote(path, errors="strict")
    except UnicodeDecodeError:
        return False
    return not _NO_ESCAPE.search(path)


def _escaped(name: str) -> str:
    # What a URI would end the path at, or read as an escape; other characters stay as people read them.
    return name.replace("%", "%25").replace("#", "%23").replace("?", "%3F")
