"""Heat maps of images: overlays, `.npy` maps of the original's shape, and `explanations.json` with their peaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from colles.core.errors import UsageError
from colles.core.files import atomic_path, write_json
from colles.core.progress import track
from colles.core.recipe import PreprocessRecipe
from colles.core.records import Box
from colles.imaging.heatmap import peak, unletterbox
from colles.imaging.overlay import overlay
from colles.imaging.preprocess import to_input
from colles.learning.checkpoint import load_classifier
from colles.learning.explain.base import Explainer
from colles.learning.explain.explainers import create_explainer
from colles.learning.models.base import FractureClassifier
from colles.serving.bundle import load_bundle
from colles.serving.decode import Sample, decode
from colles.serving.filenames import unique_stems
from colles.serving.manifest import MANIFEST

OUTCOMES = ("TP", "FP", "FN", "TN")
Entry = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """What is known of one image beside its pixels."""

    image_id: str | None
    boxes: tuple[Box, ...]
    caption: str | None


def explain_images(
    classifier_folder: Path,
    paths: Sequence[Path],
    methods: Sequence[str],
    out: Path,
    *,
    boxes: Mapping[str, Sequence[Box]] | None = None,
    captions: Mapping[str, str] | None = None,
    image_ids: Mapping[str, str] | None = None,
) -> list[Entry]:
    """Write `NAME.METHOD.png`, `NAME.METHOD.npy` and explanations.json into `out`; return the entries.

    `classifier_folder` is a run or a bundle. `boxes` (drawn as reference), `captions` (an outcome TP, FP, FN or TN
    becomes the entry's `outcome`) and `image_ids` are by path. Pictures and maps have the size of the image after EXIF
    rotation; maps are float32, 0–1, with 1 at the peak. An image that cannot be read gets one entry with `error`, and
    the rest goes on. A map that is zero everywhere has no peak: `peak` is null and `note` says so. Raise `UsageError`
    for an unknown method.
    """
    if not methods:
        raise UsageError("no method named", field="method", repair="For example --method gradcam")
    explainers = {name: create_explainer(name) for name in dict.fromkeys(methods)}
    if (classifier_folder / MANIFEST).is_file():
        load_bundle(classifier_folder)
    model, preprocess = load_classifier(classifier_folder)
    entries: list[Entry] = []
    for path, stem in zip(track(paths, "explain", total=len(paths)), unique_stems(paths), strict=True):
        key = str(path)
        reference = Reference((image_ids or {}).get(key), tuple((boxes or {}).get(key, ())), (captions or {}).get(key))
        entries += _explain(model, preprocess, path, explainers, out / stem, reference)
    write_json(out / "explanations.json", entries)
    return entries


def _explain(
    model: FractureClassifier,
    preprocess: PreprocessRecipe,
    path: Path,
    explainers: Mapping[str, Explainer],
    stem: Path,
    reference: Reference,
) -> list[Entry]:
    sample = decode(path, preprocess, keep_grey=True)
    if not isinstance(sample, Sample):
        return [_entry(path, reference, error=sample.reason)]
    x = torch.from_numpy(to_input(sample.canvas[None], preprocess))
    with torch.no_grad():
        score = float(torch.sigmoid(model(x).double()).item())
    entries = []
    for name, explainer in explainers.items():
        heat = image_heat(explainer, model, x, sample)
        files = _save(heat, sample, stem, name, score, reference)
        blank = not heat.any()
        entries.append(
            _entry(
                path,
                reference,
                method=name,
                score=score,
                peak=None if blank else [float(value) for value in peak(heat)],
                note="the map is zero everywhere, so it has no peak" if blank else None,
                **files,
            )
        )
    return entries


def image_heat(explainer: Explainer, model: FractureClassifier, x: torch.Tensor, sample: Sample) -> NDArray[np.float32]:
    """Return one image's map (H, W) on the image itself, 0–1 with 1 at the peak, or zero everywhere."""
    heat = unletterbox(explainer.attribute(model, x)[0].numpy(), sample.place)
    highest = float(heat.max(initial=0.0))
    return np.zeros_like(heat) if highest <= 0 or not np.isfinite(highest) else np.clip(heat, 0, None) / highest


def _save(
    heat: NDArray[np.float32], sample: Sample, stem: Path, method: str, score: float, reference: Reference
) -> dict[str, str]:
    assert sample.grey is not None
    caption = ", ".join(part for part in (reference.caption, f"score {score:.2f}", method) if part)
    picture = overlay(sample.grey, heat, boxes=reference.boxes, caption=caption)
    image_file, map_file = Path(f"{stem}.{method}.png"), Path(f"{stem}.{method}.npy")
    with atomic_path(image_file) as temporary:
        picture.save(temporary)
    with atomic_path(map_file) as temporary:
        np.save(temporary, heat.astype(np.float32))
    return {"map": map_file.name, "overlay": image_file.name}


def _entry(path: Path, reference: Reference, **values: Any) -> Entry:
    outcome = reference.caption if reference.caption in OUTCOMES else None
    empty = dict.fromkeys(("method", "score", "peak", "map", "overlay"))
    told = {"outcome": outcome, "note": None, "error": None}
    return {"path": str(path), "image_id": reference.image_id, **empty, **told, **values}
