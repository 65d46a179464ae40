"""Write files so that nothing is ever half written or overwritten unasked, and digest them.

Every artefact goes to a temporary name beside its final one and is renamed when it is complete.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from colles.core.errors import MissingInputError, OutputExistsError, StorageError, TableError, UsageError

_STORAGE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EPERM}
LOCK = ".lock"
"""File in a folder that one process at a time may work in; see `alone`."""


@contextmanager
def storage_errors(path: Path, written: Path | None = None) -> Iterator[None]:
    """Turn a full or read-only disk under `path` into a `StorageError`, which names `path`.

    So does any failure to make `written`, the file that becomes `path` or stands for it.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _STORAGE_ERRORS or (written is not None and error.filename == str(written)):
            raise StorageError(
                f"cannot write ({error.strerror})",
                path=path,
                repair="Nothing was changed; free some space or choose another place",
            ) from error
        raise


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that becomes `path` when the block ends without an error.

    The temporary path keeps the ending of `path`; it may be written as a file or made a folder.
    A folder that is to be replaced is moved away first and removed after the rename. Raise `UsageError` for a path
    without a name of its own (`.`, `..`, `/`): one cannot replace the folder that one stands in.
    """
    final = Path(path)
    if final.name in ("", ".."):
        raise UsageError("has no name that could be written to", path=final, repair="Name a file or folder in it")
    temporary = final.with_name(f".{final.stem}.{uuid.uuid4().hex[:8]}.partial{final.suffix}")
    try:
        with storage_errors(final, temporary):
            final.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _swap(temporary, final)
    finally:
        remove(temporary)


def sync(path: Path) -> None:
    """Wait until a file's content is on the disk: a rename may survive a power cut that the content does not."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Let one process at a time in, by a lock file beside `path`; the others wait.

    Where the file system knows no locks (or on Windows), nobody waits.
    """
    file = Path(path).with_name(f".{Path(path).name}.lock")
    with storage_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a")
    with stream:
        try:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)
        except (ImportError, OSError):
            pass
        yield


@contextmanager
def alone(folder: str | Path, what: str) -> Iterator[None]:
    """Make a folder and keep other processes out of it; raise `OutputExistsError` where one is at `what` there.

    The lock is the file `.lock` in it. Where the file system knows no locks, nobody is kept out.
    """
    place = Path(folder)
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        stream = (place / LOCK).open("a")
    with stream:
        hold(stream, place, f"another {what} is running here")
        yield


def hold(stream: IO[Any], path: Path, otherwise: str) -> None:
    """Lock an open file until it is closed; raise `OutputExistsError` with that text where another process has it.

    Where the file system knows no locks, nobody is kept out.
    """
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputExistsError(otherwise, path=path, repair="Wait for its end") from error
    except (ImportError, OSError):
        pass


def _swap(temporary: Path, final: Path) -> None:
    if not (temporary.is_dir() and final.is_dir()):
        os.replace(temporary, final)
        return
    old = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.old")
    os.replace(final, old)
    os.replace(temporary, final)
    remove(old)  # which may be a link to a folder


def remove(path: Path) -> None:
    """Remove a file or a folder tree if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def to_json(value: Any) -> str:
    """Format JSON: keys in the given order, two spaces, no NaN."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | Path, value: Any) -> Path:
    """Write JSON atomically; NaN and infinities are an error (`ValueError`), use None."""
    return write_text(path, to_json(value))


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raise `MissingInputError` or `TableError` naming it."""
    file = existing_file(path)
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except (ValueError, RecursionError) as error:  # [[[[…, a number of 5000 digits
        raise TableError(f"not valid JSON ({error})", path=file, repair="Write it again") from error


def existing_file(path: str | Path, repair: str | None = None) -> Path:
    """Return `path` if it is a file, else raise `MissingInputError`."""
    file = Path(path)
    if not file.is_file():
        reason = "is a folder, not a file" if file.is_dir() else "no such file"
        raise MissingInputError(reason, path=file, repair=repair or "Check the path")
    return file


def existing_folder(path: str | Path, repair: str | None = None) -> Path:
    """Return `path` if it is a folder with something in it, else raise `MissingInputError`."""
    folder = Path(path)
    if not folder.is_dir():
        reason = "is a file, not a folder" if folder.exists() else "no such folder"
        raise MissingInputError(reason, path=folder, repair=repair or "Check the path")
    if not any(folder.iterdir()):
        raise MissingInputError("the folder is empty", path=folder, repair=repair or "Check the path")
    return folder


def refuse_existing(path: str | Path, repair: str = "Choose another --out, or add --overwrite") -> None:
    """Raise `OutputExistsError` where `path` is a file or a folder with something in it."""
    target = Path(path)
    if target.is_file() or target.is_symlink() or (target.is_dir() and any(target.iterdir())):
        raise OutputExistsError("already exists and is kept", path=target, repair=repair)


def sha256_file(path: str | Path) -> str:
    """Digest a file's bytes (hexadecimal sha256)."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Digest a JSON-like value independently of key order (hexadecimal sha256)."""
    return hashlib.sha256(_compact(value).encode("utf-8")).hexdigest()


def sha256_json_list(parts: Iterable[Sequence[Any]], before: Sequence[Any] = ()) -> str:
    """Digest a long list that comes in parts, as `sha256_json` digests the whole of it, or `[*before, the list]`."""
    head = "".join(_compact(value) + "," for value in before)
    digest = hashlib.sha256(f"[{head}[".encode() if before else b"[")
    comma = ""
    for part in parts:
        if part:
            digest.update((comma + _compact(part)[1:-1]).encode("utf-8"))
            comma = ","
    digest.update(b"]]" if before else b"]")
    return digest.hexdigest()


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
