"""Answers by Ray Data: images shared out over the cores of a cluster, rows back in input order.

A worker reads its images itself (from a disk that all nodes see, or an object store), so no pixels pass through the
driver. The bundle's files travel once, through Ray's object store.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from colles.core.extras import require
from colles.core.ray_start import start_ray
from colles.core.records import Box
from colles.imaging.heatmap import Candidate
from colles.serving.archive import ZipMember, member_of
from colles.serving.bundle import Bundle, load_bundle
from colles.serving.inputs import Source
from colles.serving.manifest import MANIFEST
from colles.serving.output import row_of
from colles.serving.prediction import COLUMNS, Prediction
from colles.serving.predictor import Precision, Predictor
from colles.serving.remote import RemoteFile

Item = dict[str, Any]
_BATCH = 16


def predict_with_ray(
    bundle: Bundle,
    images: Iterable[Source],
    *,
    batch: int | None = None,
    gate: bool = True,
    precision: Precision = "fp32",
    boxes: bool = False,
) -> Iterator[Prediction]:
    """Yield an answer an image, in their order, computed on every core of the cluster that `RAY_ADDRESS` names.

    Without that variable Ray is started on this machine, on its loopback address only. Raise `MissingExtraError`
    without Ray, `UsageError` where the bundle lacks the precision, `ClusterError` where Ray does not start.
    """
    ray = require("ray", "ray")
    data = require("ray.data", "ray")
    Predictor(bundle, gate=gate, precision=precision)  # refuses what cannot be before a cluster is started
    items = [_describe(image) for image in images]
    if not items:
        return
    with _connected(ray):
        # Held here: an actor that is started again elsewhere asks for the bundle's files once more.
        files = ray.put({name: (bundle.folder / name).read_bytes() for name in [MANIFEST, *bundle.manifest.files]})
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        workers = min(cores, -(-len(items) // (batch or _BATCH)))
        context = data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        answers = data.from_items(items, override_num_blocks=min(len(items), 4 * workers)).map_batches(
            Worker,
            fn_constructor_args=(files, {"gate": gate, "precision": precision}, boxes),
            batch_size=batch or _BATCH,
            compute=data.ActorPoolStrategy(size=workers),
            num_cpus=1,
        )
        for row in answers.iter_rows():
            yield _prediction(json.loads(row["answer"]))


class Worker:
    """One process of the cluster: a predictor on one thread."""

    def __init__(self, files: Any, settings: dict[str, Any], boxes: bool) -> None:
        """Write the bundle's files where this process finds them, and verify them."""
        import ray

        self._folder = tempfile.TemporaryDirectory()
        root = Path(self._folder.name)
        # Ray resolves a reference among a constructor's arguments, but leaves one inside a container as it is.
        for name, content in (ray.get(files) if isinstance(files, ray.ObjectRef) else files).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        self._predictor = Predictor(load_bundle(root), threads=1, **settings)
        self._boxes = boxes

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return `answer`, a JSON row an image."""
        import numpy as np

        rows = zip(*(batch[name] for name in ("kind", "path", "member", "place")), strict=True)
        images = (_restore(str(kind), str(path), str(member), int(place)) for kind, path, member, place in rows)
        answers = self._predictor.predict_paths(images, boxes=self._boxes, batch=4)
        shown = (_raw(str(each)) for each in batch["shown"])
        told = [row_of(replace(answer, path=path)) for answer, path in zip(answers, shown, strict=True)]
        return {"answer": np.array([json.dumps(row) for row in told], dtype=object)}


def _describe(image: Source) -> Item:
    """Return what a worker finds an image by, wherever it runs, and the name that its row shows."""
    kind, path, member, place = "uri", str(image), "", 0
    if isinstance(image, ZipMember):
        kind, path, member = "zip", str(image.archive), image.name
        place = image.info.header_offset if image.info else 0
    elif not isinstance(image, RemoteFile):
        kind = "file"
    if kind != "uri":
        path = os.path.join(os.getcwd(), path)
    return {"kind": kind, "path": _safe(path), "member": _safe(member), "place": place, "shown": _safe(str(image))}


def _restore(kind: str, path: str, member: str, place: int) -> Source:
    path, member = _raw(path), _raw(member)
    if kind == "uri":
        return RemoteFile(path)
    return path if kind == "file" else member_of(Path(path), member, place)


def _safe(text: str) -> str:
    # Names that are not UTF-8 cannot travel in Arrow's strings as they are.
    return json.dumps(text)


def _raw(text: str) -> str:
    return str(json.loads(text)) if text else text


@contextmanager
def _connected(ray: Any) -> Iterator[None]:
    """Enter the cluster, and leave it afterwards: Ray ends a process whose cluster goes away before it does."""
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if os.environ.get("RAY_ADDRESS"):
        start_ray(ray, **quiet)
    else:
        # "local": else Ray looks for a cluster that was once started here, and waits for it where it is gone.
        start_ray(ray, address="local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    try:
        yield
    finally:
        ray.shutdown()


def _prediction(row: dict[str, Any]) -> Prediction:
    found = None
    if row.get("boxes") is not None:
        found = tuple(
            Candidate(
                Box(**{key: place[key] for key in ("x1", "y1", "x2", "y2")}), place["x"], place["y"], place["score"]
            )
            for place in row["boxes"]
        )
    return Prediction(**{name: row[name] for name in COLUMNS}, boxes=found)
