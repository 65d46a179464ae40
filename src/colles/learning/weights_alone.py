"""Bundles of weights alone: in 16 bits and without the graph, which is made again from them where it is needed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import torch

from colles.core.errors import BundleError, ParityError
from colles.core.files import atomic_path, remove, sha256_file, write_bytes
from colles.core.recipe import PhantomRecipe, PreprocessRecipe
from colles.datasets.phantom import write_phantoms
from colles.learning.checkpoint import halved, load_classifier
from colles.learning.half_graph import halve_graph
from colles.learning.models.base import FractureClassifier
from colles.learning.onnx_graph import export_graph
from colles.learning.parity import measure_parity, score_files
from colles.serving.bundle import MODEL, WEIGHTS, Bundle, load_bundle, write_bundle
from colles.serving.decode import Sample, decode
from colles.serving.locked import bundle_version
from colles.serving.manifest import refuse_kept
from colles.serving.metadata import BundleMetadata
from colles.serving.predictor import Predictor
from colles.serving.transport import push_bundle

SCORE_TOLERANCE = 0.01
"""Largest difference that rounding to 16 bits may make to a score or probability of the run's predictions."""
TOLERANCE = 1e-4
"""Largest difference between a graph that is made again and its weights."""
_PHANTOMS = 24  # of which a few are broken files


def round_to_half(model: FractureClassifier) -> bool:
    """Round large kernels and matrices to 16 bits, and keep them in 32: all is made of what is kept.

    Return whether that changed any. Raise `ParityError` for a weight beyond 65,504, which 16 bits do not hold.
    """
    changed = False
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if halved(value):
                rounded = value.half().float()
                changed = changed or not torch.equal(rounded, value)
                value.copy_(rounded)
                if not bool(value.isfinite().all()):
                    raise ParityError(
                        f"{name} does not fit into 16 bits",
                        field="export.half",
                        repair="Export all 32: export.half=false",
                    )
    return changed


def leave_out_graph(bundle: Bundle) -> Bundle:
    """Remove the graph of a bundle that is being made; its manifest says what is missing."""
    left_out = {MODEL: bundle.manifest.files[MODEL]}
    remove(bundle.folder / MODEL)
    return write_bundle(bundle.folder, bundle.metadata, left_out)


def complete_bundle(bundle: Path, out: Path, *, overwrite: bool = False) -> Path:
    """Make the graph of a bundle of weights alone, and return the folder of the bundle that answers.

    Graph and weights are held against each other on simulated radiographs, from the file on. Raise `ParityError`
    where they differ (nothing is written then), `BundleError` where the bundle is whole already, `OutputExistsError`
    where `out` holds something and `overwrite` is not set, or something beside one bundle.
    """
    refuse_kept(out, overwrite=overwrite)
    source = load_bundle(bundle, to_answer=False)
    if source.has_graph:
        raise BundleError("has its network already", path=bundle, repair="Use it as it is, or copy it: bundle push")
    model, preprocess = load_classifier(source.folder)
    with atomic_path(out) as staged:
        push_bundle(source, staged)
        write_bytes(staged / MODEL, halve_graph(export_graph(model, preprocess), model.state_dict()))
        metadata = _renewed(staged, source.metadata)
        proof = _prove(model, preprocess, write_bundle(staged, metadata))
        write_bundle(staged, metadata.model_copy(update={"parity": {**metadata.parity, "completed": proof}}))
    return out


def _renewed(folder: Path, metadata: BundleMetadata) -> BundleMetadata:
    # Another release of torch may write another graph of the same weights: then it is another version.
    version = bundle_version(sha256_file(folder / MODEL), sha256_file(folder / WEIGHTS), metadata)
    return metadata.model_copy(update={"version": version})


def _prove(model: FractureClassifier, preprocess: PreprocessRecipe, bundle: Bundle) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        root = write_phantoms(Path(folder) / "phantoms", PhantomRecipe(images=_PHANTOMS, size=256), workers=1)
        files = sorted(path for path in root.rglob("*") if path.suffix == ".jpg")
        paths = [path for path in files if isinstance(decode(path, preprocess), Sample)]
        rows = pl.DataFrame({"path": map(str, paths), "y_score": score_files(model, preprocess, paths)})
        return measure_parity(model, preprocess, Predictor(bundle, gate=False), rows, TOLERANCE)
