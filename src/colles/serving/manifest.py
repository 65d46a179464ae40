"""The list of a bundle's files with their sha256: what makes a damaged or altered bundle visible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from colles.core.errors import BundleError
from colles.core.files import refuse_existing, sha256_file, write_json

MANIFEST = "manifest.json"
FORMAT = "colles-bundle"
SCHEMA_VERSION = 2  # 2 adds left_out; a manifest without it still says 1, so older versions read it
REPAIR = "Copy the bundle again, or export it again"
_LARGEST = 1 << 24  # bytes of its JSON files
# File managers drop these into any folder they show.
_DEBRIS = {".DS_Store", "Thumbs.db", "desktop.ini"}


class FileEntry(BaseModel):
    """One file of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(BaseModel):
    """All files of a bundle but the manifest itself, by POSIX path inside the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = FORMAT
    schema_version: int = 1
    files: dict[str, FileEntry]
    left_out: dict[str, FileEntry] = {}
    """What the full bundle also holds, and this copy does without on purpose."""

    def dump(self) -> dict[str, Any]:
        """Return what manifest.json holds."""
        return self.model_dump(exclude=None if self.left_out else {"left_out"})


def write_manifest(folder: Path, left_out: Mapping[str, FileEntry] | None = None) -> Manifest:
    """Digest every file of a folder and write its manifest.json."""
    files = {
        name: FileEntry(sha256=sha256_file(folder / name), bytes=(folder / name).stat().st_size)
        for name in _names(folder)
    }
    manifest = Manifest(schema_version=2 if left_out else 1, files=files, left_out=dict(left_out or {}))
    write_json(folder / MANIFEST, manifest.dump())
    return manifest


def refuse_kept(out: Path, *, overwrite: bool) -> None:
    """Raise `OutputExistsError` where `out` holds something; with `overwrite`, where it holds anything but a bundle."""
    if not overwrite:
        refuse_existing(out)
    elif not is_bundle_alone(out):
        refuse_existing(out, repair="Choose another --out: --overwrite replaces a bundle, and nothing else")


def is_bundle_alone(folder: Path) -> bool:
    """Tell whether a folder holds a bundle, or parts of one, and nothing else."""
    try:
        return set(_names(folder)) <= load_manifest(folder).files.keys()
    except BundleError:
        return False


def load_manifest(folder: Path) -> Manifest:
    """Read manifest.json; raise `BundleError` for a foreign folder, a damaged manifest or a newer version."""
    file = folder / MANIFEST
    if not file.is_file():
        raise BundleError("not a bundle: it has no manifest.json", path=folder, repair="Make one: colles export RUN")
    values = read_values(file)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise BundleError("not the manifest of a colles bundle", path=file, repair="Name a folder of `colles export`")
    refuse_other_versions(values.get("schema_version"), SCHEMA_VERSION, file)
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"is damaged ({_first(error)})", path=file, repair=REPAIR) from error


def read_values(file: Path) -> Any:
    """Return what a JSON file of a bundle holds; raise `BundleError` where it cannot be read."""
    try:
        if (size := file.stat().st_size) > _LARGEST:
            raise BundleError(f"has {size} bytes, above the limit of {_LARGEST}", path=file, repair=REPAIR)
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot be read as JSON ({error})", path=file, repair=REPAIR) from error
    except RecursionError as error:
        raise BundleError("is JSON of too many levels", path=file, repair=REPAIR) from error


def refuse_other_versions(found: Any, known: int, file: Path) -> None:
    """Raise `BundleError` where a file's schema_version is no number, below 1, or above the one known here."""
    if not isinstance(found, int) or isinstance(found, bool):
        raise BundleError(f"schema_version is {found!r}, not a number", path=file, repair=REPAIR)
    if found < 1:
        raise BundleError(
            f"schema_version {found} is older than 1, the oldest that this version of colles reads",
            path=file,
            repair="Export the run again: colles export RUN --out BUNDLE",
        )
    if found > known:
        raise BundleError(
            f"schema_version {found} is newer than {known}, the newest that this version of colles reads",
            path=file,
            repair="Update colles; or export its run with this version: colles export RUN --out BUNDLE",
        )


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Raise `BundleError` naming the first file that is missing, altered, or not in the manifest."""
    for name, entry in manifest.files.items():
        _verify(folder, name, entry)
    unlisted = sorted(set(_names(folder)) - manifest.files.keys())
    if unlisted:
        raise BundleError(
            "is in the folder but not in the manifest", path=folder / unlisted[0], repair="Move it out of the bundle"
        )


def _verify(folder: Path, name: str, entry: FileEntry) -> None:
    file = folder / name
    if not is_inside(name):
        raise BundleError(f"lists {name!r}, which lies outside the bundle", path=folder / MANIFEST, repair=REPAIR)
    if not file.is_file():
        raise BundleError("is listed in the manifest but missing", path=file, repair=REPAIR)
    size = file.stat().st_size
    if size != entry.bytes:
        raise BundleError(f"has {size} bytes where the manifest says {entry.bytes}", path=file, repair=REPAIR)
    if sha256_file(file) != entry.sha256:
        raise BundleError("its sha256 is not the manifest's: the file was altered", path=file, repair=REPAIR)


def is_inside(name: str) -> bool:
    """Tell whether a name in a manifest stays inside the bundle's folder, and is one that a file can have."""
    pure = PurePosixPath(name)
    inside = bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts
    return inside and "\\" not in name and name.isprintable()


def _names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in _DEBRIS)
    return sorted(name for name in (path.relative_to(folder).as_posix() for path in files) if name != MANIFEST)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
