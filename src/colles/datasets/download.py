"""Fetch the archive of a data set or bundle: checksum, resume, nothing half done. The one place with a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from colles.core.errors import DownloadError, InputError
from colles.core.files import remove, sha256_file, storage_errors, write_text
from colles.core.progress import say, track

if TYPE_CHECKING:
    import requests

_CHUNK = 1 << 14  # what a broken line can lose: a piece that has not arrived completely is not written
_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces


@contextmanager
def fetched(address: str, target: Path, sha256: str | None) -> Iterator[Path]:
    """Give an archive (see `fetch_archive`) to a block that unpacks it, and remove what was downloaded for it.

    It stays only where the block stops for another reason than the archive (a full disk, Ctrl-C): the next call takes
    it. Other downloads in the same folder are left alone.
    """
    archive = fetch_archive(address, target, sha256)
    try:
        yield archive
    except InputError:
        _discard(target, archive)
        raise
    _discard(target, archive)


def _discard(target: Path, archive: Path) -> None:
    if archive == target:
        remove(target)
        remove(_mark(target))
        with suppress(OSError):  # another download has begun
            target.parent.rmdir()


def _mark(target: Path) -> Path:
    return target.with_name(f"{target.name}.address")


def fetch_archive(address: str, target: Path, sha256: str | None) -> Path:
    """Return `target`, downloaded from an http(s) address, or the local file that `address` names.

    A download that was cut short goes on where it stopped; one that is there already is taken where it has the `sha256`
    or, without one, came from the same address. Raise `DownloadError` where the address cannot be reached or
    the file is not the expected one (`sha256`; None accepts any), `StorageError` where the disk is full.
    """
    if not address.startswith(("http://", "https://")):
        return _verified(_local(address), sha256)
    import pooch

    target.parent.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("ERROR")
    known = None if sha256 is None else f"sha256:{sha256}"
    if known is None and not (_mark(target).is_file() and _mark(target).read_text("utf-8") == address):
        remove(target)
    try:
        with storage_errors(target):
            pooch.retrieve(address, known, fname=target.name, path=target.parent, downloader=ResumingDownload(target))
    except ValueError as error:  # pooch's own word for a wrong checksum
        raise _mismatch(address, sha256, "differs") from error
    if known is None:
        write_text(_mark(target), address)
    return target


def _local(address: str) -> Path:
    path = Path(address.removeprefix("file://")).expanduser()
    if path.is_dir():
        repair = "Nothing has to be fetched: name the folder itself; data: set COLLES_DATA to the one above"
        raise DownloadError("is a folder, not an archive", path=path, repair=repair)
    if not path.is_file():
        raise DownloadError(
            "no such file", path=path, repair="--from takes an http(s) address or a .zip on this machine"
        )
    return path


def _verified(path: Path, sha256: str | None) -> Path:
    found = sha256_file(path)
    if sha256 is not None and found != sha256:
        raise _mismatch(str(path), sha256, found)
    return path


def _mismatch(where: str, expected: str | None, found: str) -> DownloadError:
    repair = "Fetch it again; if you mean another version, name its digest with --sha256"
    return DownloadError(f"is not the expected file (sha256 {found}, expected {expected})", path=where, repair=repair)


class ResumingDownload:
    """A downloader for pooch that keeps what has arrived in `NAME.part` and asks only for the rest.

    The server's ETag is kept beside it, so a file that has changed in the meantime starts anew (RFC 9110, If-Range).
    """

    def __init__(self, target: Path) -> None:
        self.part = target.with_name(f"{target.name}.part")
        self.mark = target.with_name(f"{target.name}.part.json")

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Download `url` to the path `output_file`; raise `DownloadError` saying how much has arrived."""
        import requests

        try:
            self._download(url)
        except requests.RequestException as error:
            arrived = self._size()
            kept = f"; {arrived:,} bytes are kept" if arrived else ""
            reason = _reason(error, url)
            repair = "Check the address and the network; the same command goes on from there, --from takes a local copy"
            raise DownloadError(f"cannot be downloaded ({reason}{kept})", path=url, repair=repair) from error
        self.part.replace(output_file)
        remove(self.mark)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _download(self, url: str) -> None:
        import requests

        with requests.get(url, headers=self._headers(url), stream=True, timeout=_TIMEOUT) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                return  # everything had arrived; the checksum decides
            answer.raise_for_status()
            resumed = answer.status_code == requests.codes.partial_content
            if resumed:
                say(f"Going on after {self._size():,} bytes")
            write_text(self.mark, json.dumps({"url": url, "etag": answer.headers.get("ETag")}))
            self._receive(answer, append=resumed)

    def _headers(self, url: str) -> dict[str, str]:
        size, plain = self._size(), {"Accept-Encoding": "identity"}
        try:
            begun = json.loads(self.mark.read_text("utf-8")) if size else {}
        except (OSError, ValueError):
            begun = {}
        if begun.get("url") != url or not begun.get("etag"):
            return plain  # without an ETag nobody can tell whether the rest belongs to the beginning
        return {**plain, "Range": f"bytes={size}-", "If-Range": begun["etag"]}

    def _receive(self, answer: requests.Response, *, append: bool) -> None:
        import requests

        length = int(answer.headers.get("Content-Length") or 0)
        pieces = answer.iter_content(_CHUNK)
        arrived = 0
        with self.part.open("ab" if append else "wb") as stream:
            for piece in track(pieces, "download", total=-(-length // _CHUNK) or None):
                stream.write(piece)
                arrived += len(piece)
        if arrived < length:
            raise requests.ConnectionError(f"{length - arrived:,} bytes are missing")


def _reason(error: Exception, url: str) -> str:
    import requests

    answer = getattr(error, "response", None)
    if answer is not None:
        return f"the server answers {answer.status_code} {answer.reason}"
    host = urlsplit(url).hostname
    if isinstance(error, requests.Timeout):
        return f"{host} does not answer in time"
    if isinstance(error, requests.ConnectionError) and any(isinstance(part, Exception) for part in error.args):
        return f"no connection to {host}"  # what urllib3 says besides is three lines long
    return " ".join(str(error).split())[:200]
