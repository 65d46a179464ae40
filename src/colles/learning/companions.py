"""What a bundle gets beside its network from the images that trained it: the gate and the int8 network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.drawn import drawn_places
from colles.core.files import sha256_file, write_bytes
from colles.core.machine import usable_cpus
from colles.core.progress import say
from colles.core.recipe import ExportRecipe, PreprocessRecipe
from colles.imaging.preprocess import to_input
from colles.learning.quantise import Quantiser
from colles.serving.bundle import INT8_MODEL
from colles.serving.decision import DecisionRule
from colles.serving.decode import Sample, decode
from colles.serving.gate import LEAST, Gate
from colles.serving.int8 import judge_int8
from colles.serving.known_answer import KEY, known_score
from colles.serving.metadata import BundleMetadata, GateMetadata
from colles.serving.pipeline import BatchSizes, in_order
from colles.serving.session import Session

_BATCH = 8
_CALIBRATED = 2  # images at a time: all layers of them are held


@dataclass(frozen=True)
class Shown:
    """What a network said of some images."""

    score: NDArray[np.float64]
    """(N,); NaN where the image could not be read."""
    embedding: NDArray[np.float32]
    """(N, d) of the images that could be read."""


def choose_rows(frame: pl.DataFrame, subset: str, most: int) -> pl.DataFrame:
    """Return at most `most` rows of a subset of `frame` (image_id, path, label, subset), drawn by seed, by image_id."""
    rows = frame.filter(pl.col("subset") == subset).sort("image_id")
    chosen: pl.DataFrame = rows[drawn_places(rows.height, most, np.random.default_rng(0))]
    return chosen


def add_companions(
    folder: Path, graph: bytes, metadata: BundleMetadata, images: pl.DataFrame, recipe: ExportRecipe
) -> BundleMetadata:
    """Write `gate.npz` and `model.int8.onnx` into a bundle's folder, and return the metadata that tells of them.

    `images` has image_id, path, label and subset (train, val). What is switched off, or cannot be made well, is left
    out with a word on standard error.
    """
    preprocess = metadata.preprocessing
    train = choose_rows(images, "train", recipe.companion_images)
    val = choose_rows(images, "val", recipe.companion_images)
    session = Session(graph, preprocess, threads=1)
    on_val = show(val["path"].to_list(), session, preprocess) if recipe.gate or recipe.int8 else None
    if recipe.gate and on_val is not None:
        on_train = show(train["path"].to_list(), session, preprocess)
        metadata = metadata.model_copy(update={"gate": _add_gate(folder, on_train, on_val, recipe)})
    if recipe.int8 and on_val is not None:
        try:
            told = _add_int8(folder, graph, metadata, train, val, on_val.score, recipe)
        except ValueError as error:  # of a layer that hardly varies, or not at all, no ranges can be taken
            reason = " ".join(f"it could not be made: {error}".split())
            say(f"  no int8 network: {reason}")
            told = {"kept": False, "reason": reason}
        metadata = metadata.model_copy(update={"int8": told})
    return metadata


def show(paths: list[str], session: Session, preprocess: PreprocessRecipe) -> Shown:
    """Show images to a network, from the file on."""

    nothing: tuple[float, NDArray[np.float32] | None] = (float("nan"), None)

    def work(chunk: list[str]) -> list[tuple[float, NDArray[np.float32] | None]]:
        samples = [decode(path, preprocess) for path in chunk]
        readable = [sample.canvas for sample in samples if isinstance(sample, Sample)]
        if not readable:
            return [nothing] * len(chunk)
        found = session.run(to_input(np.stack(readable), preprocess), embedding=True)
        assert found.embedding is not None
        pairs = iter(zip(found.score.tolist(), found.embedding, strict=True))
        return [next(pairs) if isinstance(sample, Sample) else nothing for sample in samples]

    # Batches of one size, so that two exports give the same last bits.
    answers = list(in_order(paths, work, BatchSizes(_BATCH), usable_cpus()))
    embeddings = [embedding for _, embedding in answers if embedding is not None]
    empty = np.empty((0, 0), np.float32)
    return Shown(np.array([score for score, _ in answers]), np.stack(embeddings) if embeddings else empty)


def _add_gate(folder: Path, train: Shown, val: Shown, recipe: ExportRecipe) -> GateMetadata | None:
    counts = len(train.embedding), len(val.embedding)
    if counts[0] < LEAST or not counts[1]:
        say(f"  no gate: {counts[0]} training and {counts[1]} val images are too few")
        return None
    gate = Gate.fit(train.embedding, val.embedding, false_refusals=recipe.false_refusals)
    if gate.limit >= 1.0:  # the distance of a picture in which the network sees nothing at all
        say("  no gate: embeddings of val lie so far from training's that a limit would refuse nothing")
        return None
    digest = sha256_file(gate.save(folder))
    return GateMetadata(
        limit=gate.limit,
        false_refusals=recipe.false_refusals,
        trained_on=counts[0],
        chosen_on=counts[1],
        sha256=digest,
        power=gate.power,
    )


def _drawn_canvases(paths: pl.Series, count: int, preprocess: PreprocessRecipe) -> list[NDArray[np.uint8]]:
    # drawn by seed: the first by name are of one source and a few patients
    order = np.random.default_rng(0).permutation(len(paths))[:count]
    samples = [decode(path, preprocess) for path in paths[order.tolist()]]
    return [sample.canvas for sample in samples if isinstance(sample, Sample)]


def _add_int8(
    folder: Path,
    graph: bytes,
    metadata: BundleMetadata,
    train: pl.DataFrame,
    val: pl.DataFrame,
    fp32: NDArray[np.float64],
    recipe: ExportRecipe,
) -> dict[str, Any] | None:
    preprocess = metadata.preprocessing
    canvases = _drawn_canvases(train["path"], recipe.int8_images, preprocess)
    known = np.isfinite(fp32) & val["label"].is_not_null().to_numpy()
    if not canvases or not known.any():
        say("  no int8 network: no training or no labelled val image to measure it on")
        return None
    batches = [
        to_input(np.stack(canvases[n : n + _CALIBRATED]), preprocess) for n in range(0, len(canvases), _CALIBRATED)
    ]
    labels = val["label"].to_numpy()[known].astype(np.int64)
    rule = DecisionRule.from_operating_points(metadata.operating_points)
    quantiser, tried = Quantiser(graph, batches), []
    for first in quantiser.choices:
        small = quantiser.quantise(first)
        quick = Session(small, preprocess, threads=1)
        int8 = show(val["path"].to_list(), quick, preprocess).score
        told = {"fp32_convolutions": first, **judge_int8(labels, fp32[known], int8[known], rule, recipe)}
        tried.append(told | {KEY: round(known_score(quick, preprocess), 6)})
        if told["kept"]:
            write_bytes(folder / INT8_MODEL, small)
            break
        say(f"  int8 but for {first} convolutions: {told['reason']}")
    else:
        say("  no int8 network")
    return {**tried[-1], "calibrated_on": len(canvases), "tried": tried}
