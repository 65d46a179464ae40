"""Write phantoms as a YOLO export and in FracAtlas layout, with a table of the truth."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colles.core.files import atomic_path, refuse_existing
from colles.core.machine import usable_cpus
from colles.core.progress import track
from colles.core.recipe import PhantomRecipe
from colles.core.stopping import StopOnSignal
from colles.datasets.phantom.copies import change, damage, encode
from colles.datasets.phantom.layouts import write_fracatlas, write_yolo
from colles.datasets.phantom.plan import FilePlan, plan_files
from colles.datasets.phantom.render import render_view

_AT_ONCE = 4  # pictures that a process draws in one go, and still draws after Ctrl-C
SCHEMA = {
    "path": pl.String,
    "set": pl.String,
    "patient_id": pl.String,
    "study_id": pl.String,
    "view": pl.String,
    "body_part": pl.String,
    "label": pl.Int8,
    "boxes": pl.String,
    "difficulty": pl.Float64,
    "hardware": pl.Boolean,
    "cast": pl.Boolean,
    "marker": pl.Boolean,
    "planted": pl.String,
    "copy_of": pl.String,
    "width": pl.Int32,
    "height": pl.Int32,
}
_TRUTH = "truth.csv"
_MADE = {_TRUTH, "FracAtlas", "bonefractureyolo"}


def write_phantoms(
    out: str | Path, recipe: PhantomRecipe, *, overwrite: bool = False, workers: int | None = None
) -> Path:
    """Write `recipe.images` files under `out`: bonefractureyolo/, FracAtlas/ and truth.csv.

    The same seed gives the same bytes, whatever the number of `workers`. Raise `OutputExistsError` where `out` holds
    something; with `overwrite`, where it holds anything but phantoms of an earlier call.
    """
    folder = Path(out)
    if not overwrite:
        refuse_existing(folder)
    elif not _holds_phantoms(folder):
        refuse_existing(folder, repair="Choose another --out: --overwrite replaces phantoms, and nothing else")
    plans = plan_files(recipe)
    with atomic_path(folder) as temporary:
        for plan in plans:
            (temporary / plan.path).parent.mkdir(parents=True, exist_ok=True)
        truth = _draw(temporary, plans, recipe.size, workers or usable_cpus())
        write_fracatlas(temporary / "FracAtlas", plans, truth)
        write_yolo(temporary / "bonefractureyolo", plans, truth)
        pl.DataFrame(truth, schema=SCHEMA, orient="row").write_csv(temporary / _TRUTH)
    return folder


def _holds_phantoms(folder: Path) -> bool:
    # Replacing removes all that is there: real sets under the same names, or a file beside the phantoms, would be lost.
    truth = folder / _TRUTH
    if not truth.is_file() or not {path.name for path in folder.iterdir()} <= _MADE:
        return False
    with truth.open(encoding="utf-8", errors="replace", newline="") as stream:
        return next(csv.reader(stream), []) == list(SCHEMA)


def _draw(folder: Path, plans: Sequence[FilePlan], size: int, workers: int) -> list[dict[str, Any]]:
    work = partial(draw_file, folder=folder, size=size)
    if workers == 1 or len(plans) < 100:
        return [work(plan) for plan in track(plans, "phantom", total=len(plans))]
    spawned = ProcessPoolExecutor(workers, get_context("spawn"), _end_with_the_program)
    with StopOnSignal() as stop, spawned as pool:
        # The processes begin with Ctrl-C blocked and never heed it: they end with the pool.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            drawn = pool.map(work, plans, chunksize=_AT_ONCE)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            return list(stop.each(track(drawn, "phantom", total=len(plans))))
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_the_program() -> None:
    # A program that is ended at once would leave its drawing processes waiting for work for ever.
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    program = parent_process()
    if program is not None:
        program.join()
        os._exit(1)


def draw_file(plan: FilePlan, *, folder: Path, size: int) -> dict[str, Any]:
    """Draw one file and return its row of the truth."""
    patient = plan.patient
    view = render_view(patient, plan.view, plan.view_index, size)
    picture, boxes, quality = change(view.pixels, view.boxes, plan.planted, plan.change)
    data = encode(picture, quality, rgb=patient.number % 3 == 0)
    (folder / plan.path).write_bytes(damage(data, plan.planted, plan.change))
    own = np.round(np.array(boxes, dtype=np.float64), 2).tolist()
    return {
        "path": plan.path,
        "set": plan.folder,
        "patient_id": f"P{patient.number:05d}",
        "study_id": f"S{patient.number:05d}",
        "view": plan.view,
        "body_part": patient.part,
        "label": plan.label,
        "boxes": json.dumps(own),
        "difficulty": view.difficulty,
        "hardware": patient.hardware,
        "cast": patient.cast,
        "marker": patient.marker,
        "planted": plan.planted,
        "copy_of": plan.copy_of,
        "width": picture.shape[1],
        "height": picture.shape[0],
    }
