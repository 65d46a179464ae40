"""The bundle: a folder with weights, preprocessing, thresholds and card, checked before anything in it is used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from colles.core.errors import BundleError, MissingInputError
from colles.core.files import sha256_file, write_json, write_text
from colles.core.names import suggest
from colles.serving.card import model_card
from colles.serving.known import default_bundle, fetched_bundles, known_bundles, packaged_bundles
from colles.serving.manifest import (
    MANIFEST,
    REPAIR,
    FileEntry,
    Manifest,
    load_manifest,
    read_values,
    refuse_other_versions,
    verify_files,
    write_manifest,
)
from colles.serving.metadata import SCHEMA_VERSION, BundleMetadata

if TYPE_CHECKING:
    from colles.serving.decode import ImageLike
    from colles.serving.prediction import Prediction
    from colles.serving.predictor import Predictor

MODEL = "model.onnx"
INT8_MODEL = "model.int8.onnx"
WEIGHTS = "model.safetensors"
RECIPE = "recipe.yaml"
METADATA = "metadata.json"
CARD = "MODEL_CARD.md"
LICENSE = "LICENSE"
MAY_BE_LEFT_OUT = frozenset({WEIGHTS, MODEL})
"""The weights, which prediction does without, or the graph, which `colles export` makes from them."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. Threads may share it."""

    folder: Path
    metadata: BundleMetadata
    manifest: Manifest
    manifest_sha256: str
    """Of its `manifest.json` when it was loaded, which names every other file's: the bundle to the last byte."""

    def __repr__(self) -> str:
        return f"Bundle({self.name}, {str(self.folder)!r})"

    @property
    def name(self) -> str:
        """`name@version`."""
        return self.metadata.label

    @property
    def has_graph(self) -> bool:
        """Whether it can answer; one of weights alone is made whole first, by `colles export`."""
        return MODEL in self.manifest.files

    @cached_property
    def predictor(self) -> Predictor:
        """The predictor with default settings; its ONNX session starts with the first answer."""
        from colles.serving.predictor import Predictor

        return Predictor(self)

    def predict(self, image: ImageLike, *, heat: bool = False, boxes: bool = False) -> Prediction:
        """Judge one image: a path, encoded bytes, a numpy array (H, W) or (H, W, 3), or a Pillow image.

        An image that cannot be read gives status `unreadable`, one that is no radiograph `refused`, each with the
        reason. `heat` adds the location map, `boxes` the places that it marks.
        """
        return self.predictor.predict(image, heat=heat, boxes=boxes)

    def predict_batch(
        self, images: Iterable[ImageLike], *, heat: bool = False, boxes: bool = False
    ) -> list[Prediction]:
        """Judge several images at once, in their order; see `predict`."""
        return self.predictor.predict_batch(images, heat=heat, boxes=boxes)

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raise `BundleError` where they are not those that the manifest vouches for."""
        entry = self.manifest.files.get(name)
        if entry is None:
            raise BundleError(f"has no {name}", path=self.folder, repair=REPAIR)
        try:
            data = (self.folder / name).read_bytes()
        except OSError as error:
            raise BundleError(f"cannot be read ({error.strerror})", path=self.folder / name, repair=REPAIR) from error
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise BundleError("was altered after the bundle was loaded", path=self.folder / name, repair=REPAIR)
        return data


def load_bundle(bundle: str | Path | None = None, *, to_answer: bool = True) -> Bundle:
    """Load and verify a bundle by folder or by name (see `bundle_roots`); None means the default one.

    Raise `MissingInputError` where there is none, or where it is to answer and holds weights alone; `BundleError` where
    it is foreign, altered, incomplete or newer.
    """
    folder = find_bundle(default_bundle() if bundle is None else bundle)
    manifest = load_manifest(folder)
    _assert_complete(folder, manifest)
    verify_files(folder, manifest)
    loaded = Bundle(folder, _load_metadata(folder / METADATA), manifest, sha256_file(folder / MANIFEST))
    if to_answer and not loaded.has_graph:
        repair = f"Make one that answers: colles export {folder} --out {folder.name}-whole"
        raise MissingInputError("this bundle holds weights alone", path=folder, repair=repair)
    return loaded


def _assert_complete(folder: Path, manifest: Manifest) -> None:
    without = manifest.left_out.keys()
    listed = manifest.files.keys() | (without & {MODEL} if WEIGHTS in manifest.files else set())
    for name in (METADATA, MODEL):
        if name not in listed:
            raise BundleError(f"lists no {name}", path=folder / MANIFEST, repair=REPAIR)
    needed = sorted(without - MAY_BE_LEFT_OUT)
    if needed:
        raise BundleError(f"leaves out {needed[0]}, which is needed", path=folder / MANIFEST, repair=REPAIR)


def find_bundle(bundle: str | Path) -> Path:
    """Return the folder that a path or a name means; raise `MissingInputError` saying where it was looked for."""
    path = Path(bundle)
    if path.is_dir():
        return path
    if path.is_file():
        raise BundleError("is a file; a bundle is a folder", path=path, repair="Unpack it, or name the folder")
    roots = bundle_roots()
    if path.name == str(bundle):
        for root in roots:
            if (root / path.name / MANIFEST).is_file():
                return root / path.name
    places = ", ".join(dict.fromkeys(str(root.absolute()) for root in roots))
    repair = _next_step(str(bundle), [folder.name for folder in bundles_here()])
    raise MissingInputError(f"no such bundle; looked for it as a folder and in {places}", path=path, repair=repair)


def _next_step(name: str, here: list[str]) -> str:
    if name in known_bundles():
        return f"Fetch it: colles bundle get {name}"
    make = "Make one: colles export RUN, or colles bundle list"
    return suggest(
        Path(name).name, [*here, *known_bundles()], f"There are {', '.join(sorted(set(here)))}" if here else make
    )


def bundle_roots() -> list[Path]:
    """Return the folders that hold bundles by name, the first to be looked at first.

    COLLES_MODELS, ./models, models/ of a source checkout, the installed package's own, and what `colles bundle get`
    fetched.
    """
    named = [Path(part).expanduser() for part in os.environ.get("COLLES_MODELS", "").split(os.pathsep) if part]
    here, checkout = Path("models"), Path(__file__).parents[3] / "models"
    ours = [checkout] if checkout.is_dir() and checkout != here.absolute() else []
    return [*named, here, *ours, *(root for root in (packaged_bundles(), fetched_bundles()) if root.is_dir())]


def bundles_here() -> list[Path]:
    """Return the folders of all bundles that can be named, in the order in which they are looked for."""
    return [found.parent for root in bundle_roots() for found in sorted(root.glob(f"*/{MANIFEST}"))]


def _load_metadata(file: Path) -> BundleMetadata:
    values = read_values(file)
    if not isinstance(values, dict):
        raise BundleError("not the metadata of a bundle", path=file, repair=REPAIR)
    refuse_other_versions(values.get("schema_version"), SCHEMA_VERSION, file)
    try:
        return BundleMetadata.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BundleError(str(first["msg"]), path=file, field=field, repair=REPAIR) from error


def write_bundle(folder: Path, metadata: BundleMetadata, left_out: Mapping[str, FileEntry] | None = None) -> Bundle:
    """Complete a folder that holds model.onnx, model.safetensors and recipe.yaml: metadata, card, licence, manifest.

    `left_out` names what a full bundle would also hold.
    """
    write_json(folder / METADATA, metadata.model_dump(mode="json"))
    write_text(folder / CARD, model_card(metadata, weights_alone=MODEL in (left_out or {})))
    write_text(folder / LICENSE, license_text())
    manifest = write_manifest(folder, left_out)
    return Bundle(folder, metadata, manifest, sha256_file(folder / MANIFEST))


def license_text() -> str:
    """Return the Apache 2.0 licence that lies in an installed wheel, or in the source checkout."""
    try:
        text = distribution("colles").read_text("licenses/LICENSE")
    except PackageNotFoundError:
        text = None
    if text:
        return text
    checkout = Path(__file__).parents[3] / "LICENSE"
    if checkout.is_file():
        return checkout.read_text(encoding="utf-8")
    return "Licensed under the Apache License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0\n"
