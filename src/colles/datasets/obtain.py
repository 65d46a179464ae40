"""Bring a public data set into a folder: fetch, verify, unpack, look at it as its source does, and note its origin."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from colles.core.errors import CollesError, DownloadError
from colles.core.files import atomic_path, refuse_existing, remove, sha256_file, write_json
from colles.core.provenance import collect_provenance
from colles.datasets.download import fetched
from colles.datasets.registry import DataSet
from colles.datasets.sources import create_source

_RATIO = 200  # radiographs hardly shrink: an archive that unpacks to more is a bomb
_DEBRIS = {"__MACOSX", ".DS_Store"}


def obtain(data_set: DataSet, root: Path, *, origin: str | None = None, sha256: str | None = None) -> Path:
    """Return the folder `root/data_set.folder`, fetched from its address or from `origin` (an address or a .zip).

    `sha256` replaces the registered digest. `root/NAME.origin.json` records address, digest and licence. Raise
    `DownloadError` where the archive cannot be had or is not what it should be, `OutputExistsError` where the folder
    is there.
    """
    folder = root / data_set.folder
    refuse_existing(folder, repair="Use it, or choose another --out")
    address = origin or data_set.url
    if address is None:
        raise DownloadError(f"{data_set.name} has no plain address", path=data_set.page, repair=data_set.obtain)
    described = data_set.model_dump(include={"name", "version", "page", "licence", "citation"})
    with fetched(address, root / ".downloads" / data_set.archive, sha256 or data_set.sha256) as archive:
        digests, size = {"archive": sha256_file(archive)}, archive.stat().st_size
        _unpack(archive, folder, data_set.kind)
        facts = collect_provenance(digests, data_set=described, origin=address, bytes=size)
        write_json(root / f"{data_set.folder}.origin.json", facts)
    return folder


def _unpack(archive: Path, folder: Path, kind: str) -> None:
    with atomic_path(folder) as temporary:
        try:
            with zipfile.ZipFile(archive) as packed:
                _assert_sane(packed, archive)
                packed.extractall(temporary)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # the last for what is encrypted
            raise DownloadError(f"is not a sound .zip ({error})", path=archive, repair="Fetch it again") from error
        inner = _innermost(temporary)
        _assert_readable(inner, kind, archive)
        if inner != temporary:
            lifted = temporary.with_name(f"{temporary.name}.lifted")
            inner.rename(lifted)
            remove(temporary)
            lifted.rename(temporary)


def _assert_sane(packed: zipfile.ZipFile, archive: Path) -> None:
    size = sum(entry.file_size for entry in packed.infolist())
    if size > max(archive.stat().st_size, 1 << 20) * _RATIO:
        raise DownloadError(f"would unpack to {size:,} bytes", path=archive, repair="Look at where it comes from")


def _innermost(folder: Path) -> Path:
    """Go down while there is nothing but one folder."""
    inside = [path for path in folder.iterdir() if path.name not in _DEBRIS]
    return _innermost(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder


def _assert_readable(folder: Path, kind: str, archive: Path) -> None:
    try:
        next(iter(create_source(kind, folder).radiographs()))
    except CollesError as error:
        repair = "Check that it is this set, in its original layout"
        where = f"{Path(error.path).name}: " if error.path else ""
        raise DownloadError(f"holds no {kind} data ({where}{error.message})", path=archive, repair=repair) from error
