"""Look at this installation and machine as a run would need them, and say what to mend.

A check is `ok`, `note` (works, but know this), `absent` (an optional part that is not there) or `broken` (needed, and
does not work). Each is a short function that returns checks; none of them changes anything.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from colles.core.errors import CollesError
from colles.core.machine import kernel_text, usable_cpus
from colles.core.records import Record

State = Literal["ok", "note", "absent", "broken"]
OLDEST = (3, 11)
NEEDED = ("numpy", "scipy", "sklearn", "polars", "PIL", "cv2", "imagehash", "faiss", "onnxruntime", "matplotlib",
          "jinja2", "pydantic", "yaml", "pooch")  # fmt: skip
EXTRAS = {
    "train": ("torch", "torchvision", "timm", "pytorch_lightning", "captum", "onnx", "safetensors", "optuna"),
    "dicom": ("pydicom", "gdcm", "jpeg_ls", "openjpeg", "highdicom", "pynetdicom"),
    "serve": ("fastapi", "uvicorn"),
    "ray": ("ray",),
    "notebook": ("jupytext", "nbclient", "ipykernel"),
    "docs": ("mkdocs", "material", "mkdocstrings"),
}
_FREE_DISK = 5e9  # bytes: caches, checkpoints and a report of a middling data set
_FREE_MEMORY = 4e9  # bytes: torch, a batch and the cache of canvases


class Check(Record):
    """One thing that was looked at."""

    topic: str
    state: State
    detail: str
    repair: str | None = None
    """The next step, where there is one."""


def examine(data: Path | None = None) -> list[Check]:
    """Return every check, in the order in which a newcomer needs them; `data` is the root of the data sets."""
    return [
        *_python(),
        *_packages(),
        *_extras(),
        *_processor(),
        *_memory(),
        *_disk(),
        *_gpu(),
        *_data(data),
        *_bundles(),
    ]


def _python() -> list[Check]:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST:
        return [Check(topic="python", state="ok", detail=found)]
    oldest = ".".join(map(str, OLDEST))
    return [Check(topic="python", state="broken", detail=found, repair=f"colles needs Python {oldest} or newer")]


def _packages() -> list[Check]:
    failed = {name: reason for name in NEEDED if (reason := _import_error(name))}
    if not failed:
        return [Check(topic="packages", state="ok", detail=f"colles {_version('colles')}, {len(NEEDED)} others load")]
    repair = "Install colles again: make setup, or pip install --force-reinstall colles"
    return [
        Check(topic="packages", state="broken", detail=f"{name}: {why}", repair=repair) for name, why in failed.items()
    ]


def _import_error(name: str) -> str | None:
    try:
        import_module(name)
    except Exception as error:  # a damaged library raises anything
        return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return None


def _extras() -> list[Check]:
    return [_extra(name, modules) for name, modules in EXTRAS.items()]


def _extra(name: str, modules: tuple[str, ...]) -> Check:
    missing = [module for module in modules if find_spec(module) is None]
    topic, repair = f"extra {name}", f"pip install 'colles[{name}]'"
    if not missing:
        return Check(topic=topic, state="ok", detail=", ".join(modules))
    if len(missing) == len(modules):
        return Check(topic=topic, state="absent", detail="not installed", repair=repair)
    return Check(topic=topic, state="note", detail=f"in part: {', '.join(missing)} missing", repair=repair)


def _processor() -> list[Check]:
    cores = usable_cpus()
    limit = os.environ.get("OMP_NUM_THREADS")
    detail = f"{cores} of {os.cpu_count()} cores usable; OMP_NUM_THREADS is {limit or 'not set'}"
    if limit and limit.isdigit() and int(limit) > cores:
        return [Check(topic="threads", state="note", detail=detail, repair=f"Set OMP_NUM_THREADS={cores} or unset it")]
    return [Check(topic="threads", state="ok", detail=detail)]


def free_memory() -> int | None:
    """Return the bytes that can still be used (MemAvailable, and what the control group leaves), or None off Linux."""
    lines = [line for line in kernel_text("/proc/meminfo").splitlines() if line.startswith("MemAvailable:")]
    if not lines:
        return None
    free = int(lines[0].split()[1]) * 1024
    most, used = (kernel_text(f"/sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    return min(free, int(most) - int(used)) if most.isdigit() and used.isdigit() else free


def _memory() -> list[Check]:
    free = free_memory()
    if free is None:
        return [Check(topic="memory", state="note", detail="cannot be told on this system")]
    detail = f"{free / 1e9:.1f} GB free"
    if free >= _FREE_MEMORY:
        return [Check(topic="memory", state="ok", detail=detail)]
    repair = "For training close other programs, or set train.batch_size=8 and a smaller preprocess.size"
    return [Check(topic="memory", state="note", detail=detail, repair=repair)]


def _disk() -> list[Check]:
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    detail = f"{free / 1e9:.1f} GB free in the working folder"
    if not os.access(here, os.W_OK):
        return [Check(topic="disk", state="note", detail=f"{here} is read-only", repair="Give --out elsewhere")]
    if free < _FREE_DISK:
        return [Check(topic="disk", state="note", detail=detail, repair="Free some space or give --out elsewhere")]
    return [Check(topic="disk", state="ok", detail=detail)]


def _gpu() -> list[Check]:
    if find_spec("torch") is None:
        return [Check(topic="GPU", state="absent", detail="not looked for: torch is not installed")]
    try:
        from colles.learning.devices import describe_gpus

        found = describe_gpus()
    except Exception as error:  # a torch that does not load is a broken installation
        repair = "Install the extra again: pip install --force-reinstall 'colles[train]'"
        return [Check(topic="GPU", state="broken", detail=f"torch does not load ({error})", repair=repair)]
    if found:
        return [Check(topic="GPU", state="ok", detail=text) for text in found]
    detail = f"none that torch {_version('torch')} can use; training runs on the CPU"
    return [Check(topic="GPU", state="absent", detail=detail)]


def _data(root: Path | None) -> list[Check]:
    from colles.datasets.registry import load_registry

    if root is None:
        repair = "Own images need none. For the public sets: colles data list, then COLLES_DATA=/path/to/data"
        return [Check(topic="data", state="absent", detail="COLLES_DATA is not set", repair=repair)]
    if not root.is_dir():
        return [Check(topic="data", state="broken", detail=f"{root} is not there", repair="Correct COLLES_DATA")]
    return [_data_set(item.name, item.kind, root / item.folder) for item in load_registry().values()]


def _data_set(name: str, kind: str, folder: Path) -> Check:
    from colles.datasets.sources import create_source

    topic = f"data {name}"
    if not folder.is_dir():
        return Check(topic=topic, state="absent", detail=f"not in {folder}", repair=f"colles data get {name}")
    try:
        rows = list(create_source(kind, folder, name=name).radiographs())
    except CollesError as error:
        return Check(topic=topic, state="broken", detail=error.message, repair=error.repair)
    fractured = sum(row.label == 1 for row in rows)
    return Check(topic=topic, state="ok", detail=f"{len(rows)} images, {fractured} fractured, in {folder}")


def _bundles() -> list[Check]:
    from colles.serving.bundle import bundle_roots, bundles_here, load_bundle
    from colles.serving.known import default_bundle

    folders = bundles_here()
    if not folders:
        where = ", ".join(str(root) for root in bundle_roots())
        repair = f"Fetch one: colles bundle get {default_bundle()}, or make one: colles export RUN"
        return [Check(topic="bundles", state="absent", detail=f"none in {where}", repair=repair)]
    checks = []
    for folder in folders:
        try:
            bundle = load_bundle(folder, to_answer=False)
        except CollesError as error:
            checks.append(Check(topic=f"bundle {folder.name}", state="broken", detail=str(error), repair=error.repair))
        else:
            alone = "" if bundle.has_graph else "; weights alone"
            detail = f"{bundle.name}, every sha256 agrees{alone}"
            checks.append(Check(topic=f"bundle {folder.name}", state="ok", detail=detail))
    return checks


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(no version)"
