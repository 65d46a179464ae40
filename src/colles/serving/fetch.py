"""Bring a published bundle into the cache: fetch its archive, verify both, and leave nothing half done."""

from __future__ import annotations

from pathlib import Path

from colles.core.errors import BundleError, CollesError
from colles.core.files import refuse_existing, remove
from colles.datasets.download import fetched
from colles.serving.bundle import WEIGHTS, Bundle, bundles_here, load_bundle
from colles.serving.known import KnownBundle, address_of, fetched_bundles
from colles.serving.transport import pull_bundle


def fetch_bundle(
    known: KnownBundle, out: Path | None = None, *, origin: str | None = None, sha256: str | None = None
) -> Bundle:
    """Return a published bundle in the folder `out` or in the cache, from its address or from `origin` (a .zip, too).

    A download that was cut short goes on where it stopped. What is here already, sound and of the registered version,
    is taken; another version in the cache is replaced. `sha256` replaces the registered digest. Raise `DownloadError`
    where the archive cannot be had or is another file, `BundleError` where it is no sound bundle of that name,
    `OutputExistsError` where `out` holds something.
    """
    folder = out or fetched_bundles() / known.name
    if out is not None:
        refuse_existing(out, repair="Use it, or choose another --out")
    elif origin is None and (here := _current(known)) is not None:
        return here
    kept = fetched_bundles() / ".downloads" / known.archive
    with fetched(origin or address_of(known), kept, sha256 or known.sha256) as archive:
        _unpack(archive, folder, known.name)
    return load_bundle(folder, to_answer=False)


def _current(known: KnownBundle) -> Bundle | None:
    """Return the whole bundle of the registered version where it lies here already; a damaged one is fetched again."""
    for folder in bundles_here():
        try:
            bundle = load_bundle(folder, to_answer=False) if folder.name == known.name else None
        except CollesError:
            continue
        if bundle is not None and bundle.metadata.version == known.version and WEIGHTS not in bundle.manifest.left_out:
            return bundle
    return None


def _unpack(archive: Path, folder: Path, name: str) -> None:
    fresh = folder.with_name(f".{folder.name}.fetched")
    remove(fresh)
    bundle = pull_bundle(archive, fresh)
    if bundle.metadata.name != name:
        remove(fresh)
        raise BundleError(f"is {bundle.name}, not {name}", path=archive, repair="Check the address or file")
    remove(folder)
    fresh.rename(folder)
