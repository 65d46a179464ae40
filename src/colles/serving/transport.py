"""Bundles to and from other places: a folder, a zip file, the layout of a Hugging Face Hub repository.

Only files that the manifest vouches for are ever copied, and the copy is verified before it gets its name.
"""

from __future__ import annotations

import json
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from colles.core.errors import BundleError, MissingInputError
from colles.core.files import atomic_path, refuse_existing, write_text
from colles.serving.bundle import CARD, Bundle, load_bundle
from colles.serving.manifest import FORMAT, MANIFEST, REPAIR, Manifest, is_inside

ZIP = ".zip"
HUB_CARD, HUB_CONFIG, HUB_ATTRIBUTES = "README.md", "config.json", ".gitattributes"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can tell; a copy made twice has the same bytes
_MANIFEST_BYTES = 1 << 20
_MOST = 4 << 30
"""Bytes of a whole bundle: its two networks are files of protobuf, which ends at 2 GB."""
_PIECE = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, ValueError, RuntimeError, EOFError, MemoryError)


def push_bundle(bundle: Bundle, target: Path, *, hub: bool = False) -> Path:
    """Copy a bundle to a folder, to a `.zip` file, or with `hub` to a folder that can be uploaded to the Hub as it is.

    Raise `OutputExistsError` where the target holds something. The same bundle gives the same bytes.
    """
    refuse_existing(target, "Choose another target")
    if target.suffix.lower() == ZIP and not hub:
        with atomic_path(target) as temporary:
            _write_zip(bundle, temporary)
        return target
    with atomic_path(target) as staged:
        for name in _names(bundle):
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.folder / name, staged / name)
        if hub:
            _write_hub_files(bundle, staged)
    return target


def pull_bundle(source: Path, out: Path) -> Bundle:
    """Copy a bundle from a folder, a zip file or a downloaded Hub repository, verify it, and load it.

    Raise `BundleError` where the source is none or is damaged (nothing is written then), `MissingInputError` where
    there is no source, `OutputExistsError` where `out` holds something.
    """
    refuse_existing(out, "Choose another --out")
    if not source.exists():
        raise MissingInputError("no such file or folder", path=source, repair="Check the path")
    with atomic_path(out) as staged:
        staged.mkdir(parents=True)
        if source.is_dir():
            _from_folder(source, staged)
        else:
            _from_zip(source, staged)
        try:
            load_bundle(staged, to_answer=False)
        except BundleError as error:
            # The staged copy is gone when the message is read, so it names the source instead.
            text = str(error).replace(str(staged), str(source))
            raise BundleError(text.removeprefix(f"{source}: "), path=source) from error
    return load_bundle(out, to_answer=False)


def _names(bundle: Bundle) -> list[str]:
    return sorted([MANIFEST, *bundle.manifest.files])


def _write_zip(bundle: Bundle, path: Path) -> None:
    # Stored as they are: what deflate makes of them differs between versions of zlib, and weights hardly shrink.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in _names(bundle):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_STORED, 0o644 << 16
            archive.writestr(info, (bundle.folder / name).read_bytes())


def _write_hub_files(bundle: Bundle, folder: Path) -> None:
    shutil.copyfile(folder / CARD, folder / HUB_CARD)  # the card begins with the front matter that the Hub reads
    config = {"library_name": "colles", "format": FORMAT, "model": bundle.metadata.model}
    config |= {"preprocessing": bundle.metadata.preprocessing.model_dump(mode="json")}
    write_text(folder / HUB_CONFIG, json.dumps(config, indent=2) + "\n")
    large = "".join(f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in ("onnx", "safetensors", "npz"))
    write_text(folder / HUB_ATTRIBUTES, large)


def _from_folder(source: Path, staged: Path) -> None:
    if not (source / MANIFEST).is_file():
        raise BundleError("not a bundle: it has no manifest.json", path=source, repair="Name the folder that holds one")
    _copy(source, staged, lambda name: _open_file(source / name), (source / MANIFEST).stat().st_size)


def _open_file(path: Path) -> Any:
    return path.open("rb")


def _from_zip(source: Path, staged: Path) -> None:
    try:
        archive = zipfile.ZipFile(source)
    except _DAMAGED as error:
        raise BundleError(f"is no zip file ({error})", path=source, repair=REPAIR) from error
    with archive:
        manifests = [name for name in archive.namelist() if PurePosixPath(name).name == MANIFEST]
        top = min(manifests, key=len, default=None)
        if top is None:
            raise BundleError(
                "not a bundle: it holds no manifest.json", path=source, repair="Make one: colles bundle push"
            )
        root = top.removesuffix(MANIFEST)
        _copy(source, staged, lambda name: archive.open(root + name), archive.getinfo(top).file_size)


def _copy(source: Path, staged: Path, opened: Callable[[str], Any], manifest_bytes: int) -> None:
    if manifest_bytes > _MANIFEST_BYTES:
        raise BundleError(f"its manifest has {manifest_bytes} bytes", path=source, repair=REPAIR)
    data = b"".join(_pieces(source, MANIFEST, opened, _MANIFEST_BYTES))
    (staged / MANIFEST).write_bytes(data)
    try:
        listed = Manifest.model_validate_json(data).files
    except ValidationError:
        return  # loading the staged copy says what is wrong with it
    told = sum(entry.bytes for entry in listed.values())
    if told > _MOST:
        raise BundleError(f"its manifest lists {told} bytes, above the limit of {_MOST}", path=source, repair=REPAIR)
    for name, entry in listed.items():
        if not is_inside(name):
            raise BundleError(f"lists {name!r}, which lies outside the bundle", path=source, repair=REPAIR)
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        with (staged / name).open("wb") as copy:
            copy.writelines(_pieces(source, name, opened, entry.bytes))


def _pieces(source: Path, name: str, opened: Callable[[str], Any], most: int) -> Iterator[bytes]:
    # One byte more than the manifest says is read at most, whatever a zip file claims to unpack to.
    left = most + 1
    try:
        with opened(name) as stream:
            while left and (piece := stream.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece
    except KeyError as error:
        raise BundleError(f"{name} is listed in the manifest but missing", path=source, repair=REPAIR) from error
    except _DAMAGED as error:
        raise BundleError(f"{name} cannot be read ({error})", path=source, repair=REPAIR) from error
