"""Measure how fast radiographs reach the network, and what a long list of them costs in memory.

    COLLES_DATA=DIR python benchmarks/loading.py [--images 256] [--steps 12] [--listed 10000,100000,1000000]

Three comparisons, each interleaved so that other load on the machine hits both sides, and counted by the wall clock and
by the computing time of the process, which other load changes little: decode and augment alone against
torchvision's ImageFolder in a DataLoader; training steps fed by our loader against the same steps on one batch that
stays in memory; memory of a training's data module over simulated catalogs. Prints a table and writes
benchmarks/loading.json.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import torch
from machine import describe
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from colles.core.cache import VARIABLE
from colles.core.files import read_json, write_json
from colles.core.provenance import package_versions
from colles.core.recipe import AugmentRecipe, DataRecipe, ModelRecipe, PreprocessRecipe, TrainRecipe
from colles.core.schema import CATALOG_SCHEMA
from colles.datasets.catalog import Catalog, CatalogRows, build_catalog
from colles.datasets.organize import organize
from colles.datasets.sources import create_source
from colles.datasets.split import Split, split_digest
from colles.learning.loaders.augment import create_augment
from colles.learning.loaders.cache import load_canvases
from colles.learning.loaders.dataset import CanvasDataset
from colles.learning.models import create_model
from colles.learning.training.allocator import keep_memory

RESULT = Path(__file__).with_suffix(".json")
SIZE, BATCH = 224, TrainRecipe().batch_size
STEPS = ((SIZE, BATCH), (448, 16))  # the defaults, and recipes/fracture_lite0.yaml
PREPROCESS = PreprocessRecipe(size=SIZE)
AUGMENT = AugmentRecipe()
ROUNDS = 3


def real_catalog(images: int) -> Catalog:
    """Catalogue every k-th readable file of FracAtlas and the YOLO export, so that about `images` remain."""
    root = Path(os.environ["COLLES_DATA"])
    with tempfile.TemporaryDirectory() as folder:
        lines = ["path,label"]
        files = sorted((root / "FracAtlas" / "images").rglob("*.jpg")) + sorted(
            (root / "bonefractureyolo").glob("*/images/*.jpg")
        )
        step = max(1, len(files) // images)
        lines += [f"{path},{number % 2}" for number, path in enumerate(files[::step])]
        (Path(folder) / "list.csv").write_text("\n".join(lines))
        return build_catalog([create_source("csv", Path(folder) / "list.csv")]).where(pl.col("status") == "ok")


def image_folder(catalog: Catalog, folder: Path) -> DataLoader[Any]:
    """Return what a torchvision user would write, with the same changes of the image."""
    split = Split(
        catalog.frame.select("image_id", "group_id", subset=pl.lit("train")), {"catalog_digest": catalog.digest}
    )
    root = organize(catalog, split, folder, link="sym")
    chain = v2.Compose(
        [
            v2.Resize((SIZE, SIZE), antialias=True),
            v2.RandomHorizontalFlip(AUGMENT.flip),
            v2.RandomAffine(AUGMENT.rotation, interpolation=v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(brightness=AUGMENT.brightness, contrast=AUGMENT.contrast),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.GaussianNoise(sigma=AUGMENT.noise),
            v2.Normalize(PREPROCESS.mean, PREPROCESS.std),
        ]
    )
    return DataLoader(ImageFolder(root / "combined_organized" / "train", chain), batch_size=BATCH, shuffle=True)


def ours(catalog: Catalog, cache: Path, size: int = SIZE, batch: int = BATCH) -> DataLoader[Any]:
    """Return our loader over canvases that are cached."""
    recipe = PreprocessRecipe(size=size)
    canvases = load_canvases(CatalogRows(catalog.frame), recipe, cache).canvases
    rows, labels = np.arange(len(catalog)), catalog.frame["label"].to_numpy().astype(np.int64)
    data = CanvasDataset(
        canvases, rows, labels, np.ones(len(rows), np.float32), recipe, augment=create_augment(AUGMENT, size)
    )
    return DataLoader(data, batch_size=batch, shuffle=True, drop_last=True)


def cost_of_an_epoch(loader: DataLoader[Any]) -> tuple[float, float]:
    """Load one epoch and drop it; return seconds of wall clock and of this process's own computing."""
    wall, own = time.perf_counter(), time.process_time()
    for _ in loader:
        pass
    return time.perf_counter() - wall, time.process_time() - own


def measure_decode(images: int, folder: Path) -> dict[str, Any]:
    """Compare images a second of an epoch without a network, in the process itself (no workers)."""
    catalog = real_catalog(images)
    start = time.process_time()
    loader = ours(catalog, folder / "cache")
    built = time.process_time() - start
    peer = image_folder(catalog, folder / "tree")
    pairs = [(cost_of_an_epoch(loader), cost_of_an_epoch(peer)) for _ in range(ROUNDS)]
    share = len(loader) * BATCH / len(catalog)  # the last, smaller batch is ImageFolder's alone
    found = {}
    for place, clock in enumerate(("wall", "computing")):
        ratios = [other[place] * share / one[place] for one, other in pairs]
        mine, theirs = (median(pair[side][place] for pair in pairs) for side in (0, 1))
        found[clock] = {
            "ours_images_per_s": round(len(catalog) * share / mine, 1),
            "image_folder_images_per_s": round(len(catalog) / theirs, 1),
            "ratio": round(median(ratios), 2),
            "ratio_by_round": [round(ratio, 2) for ratio in ratios],
        }
    return {"images": len(catalog), "cache_built_images_per_computing_s": round(len(catalog) / built, 1), **found}


def forever(loader: DataLoader[Any]) -> Iterator[Any]:
    """Repeat a loader's batches."""
    while True:
        yield from loader


def measure_steps(steps: int, catalog: Catalog, size: int, batch_size: int, folder: Path) -> dict[str, Any]:
    """Compare training steps fed by the loader with steps on one batch that is already there, allocator set."""
    keep_memory()
    loader = ours(catalog, folder / "cache", size, batch_size)
    model = create_model(ModelRecipe(weights="none"), loader.dataset.recipe).train()
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)
    batches = forever(loader)
    ready = next(batches)

    def step(batch: Any) -> None:
        optimiser.zero_grad()
        logit = model(batch["image"].contiguous(memory_format=torch.channels_last))[:, 0]
        torch.nn.functional.binary_cross_entropy_with_logits(logit, batch["label"]).backward()
        optimiser.step()

    step(ready)
    fed: list[tuple[float, float]] = []
    unfed: list[tuple[float, float]] = []
    for _ in range(steps):  # one of each in turn
        begun = time.perf_counter(), time.process_time()
        step(next(batches))
        middle = time.perf_counter(), time.process_time()
        step(ready)
        ended = time.perf_counter(), time.process_time()
        fed.append((middle[0] - begun[0], middle[1] - begun[1]))
        unfed.append((ended[0] - middle[0], ended[1] - middle[1]))
    found: dict[str, Any] = {"network": ModelRecipe().name, "size": size, "batch": batch_size, "steps": steps}
    for place, clock in enumerate(("wall", "computing")):
        one, other = median(pair[place] for pair in fed), median(pair[place] for pair in unfed)
        found[clock] = {
            "fed_images_per_s": round(batch_size / one, 2),
            "unfed_images_per_s": round(batch_size / other, 2),
            "ratio": round(other / one, 3),
        }
    return found


_TINY = PreprocessRecipe(size=32)
_BATCHES = 60


def simulate_catalog(listed: int, folder: Path) -> tuple[Path, Path]:
    """Write a catalog of `listed` files that do not exist, its split, and a cache of black canvases for it."""
    number = pl.Series(range(listed))
    text = number.cast(pl.String).str.zfill(9)
    digest = pl.Series([f"{n:064x}" for n in range(listed)])
    frame = pl.DataFrame(
        {
            "image_id": "sim/" + text + ".png",
            "source": pl.repeat("sim", listed, eager=True),
            "path": "/archive/of/radiographs/" + text + ".png",
            "label": (number % 5 == 0).cast(pl.Int8),
            "group_id": "sim:p" + (number // 3).cast(pl.String),
            "patient_id": "p" + (number // 3).cast(pl.String),
            "status": pl.repeat("ok", listed, eager=True),
            "sha256": digest,
            "pixel_sha256": digest,
            "phash": digest,
        }
    )
    catalog = Catalog.of(frame)
    assert set(catalog.frame.columns) == set(CATALOG_SCHEMA)
    patient = number // 3
    subset = pl.when(patient % 10 == 1).then(pl.lit("val")).when(patient % 10 == 2).then(pl.lit("test"))
    sides = pl.select(subset.otherwise(pl.lit("train"))).to_series().alias("subset")
    table = catalog.frame.select("image_id", "group_id").with_columns(sides).sort("image_id")
    catalog.save(folder / "catalog.parquet")
    Split(table, {"catalog_digest": catalog.digest, "split_digest": split_digest(table)}).save(folder / "split.csv")
    return folder / "catalog.parquet", folder / "split.csv"


def child(listed: int, folder: Path) -> None:
    """Measure in a process of its own: anonymous memory after opening, its growth over batches, and its peaks."""
    from colles.core.files import sha256_file
    from colles.learning.loaders import cache
    from colles.learning.loaders.datamodule import RadiographDataModule

    def black(place: Path, rows: Any, recipe: PreprocessRecipe, limits: DataRecipe) -> None:
        place.mkdir(parents=True, exist_ok=True)
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), recipe.size, recipe.size)}
        with (place / "canvases.npy").open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            stream.truncate(stream.tell() + len(rows) * recipe.size**2)
        write_json(place / "canvases.json", {"bad": {}, "sha256": sha256_file(place / "canvases.npy")})

    cache._build = black  # there are no files to decode
    os.environ[VARIABLE] = str(folder / "cache")
    empty = anonymous_memory()
    peak = Peak()
    catalog = Catalog.load(folder / "catalog.parquet")
    loaded = anonymous_memory()
    recipe = TrainRecipe(batch_size=16, sampler="plain", copies="all")
    data = RadiographDataModule(catalog, Split.load(folder / "split.csv"), _TINY, recipe, seed=0)
    del catalog
    opened = anonymous_memory()
    batches = iter(data.train_dataloader())
    next(batches)
    first = anonymous_memory()
    for _ in range(_BATCHES):
        if next(batches, None) is None:
            break
    write_json(
        folder / "memory.json",
        {
            "catalog_mb": round((loaded - empty) / 2**20, 1),
            "ready_mb": round((opened - empty) / 2**20, 1),
            "growth_over_batches_mb": round((anonymous_memory() - first) / 2**20, 1),
            "peak_above_empty_mb": round((peak.stop() - empty) / 2**20, 1),
            "empty_mb": round(empty / 2**20, 1),
            "peak_resident_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1),
        },
    )


def anonymous_memory() -> int:
    """Return bytes of this process that are no mapped file."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


class Peak:
    """The most anonymous memory of this process since it was made, looked at two hundred times a second."""

    def __init__(self) -> None:
        self._most, self._over = anonymous_memory(), threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def _look(self) -> None:
        while not self._over.wait(0.005):
            self._most = max(self._most, anonymous_memory())

    def stop(self) -> int:
        """Stop looking; return bytes."""
        self._over.set()
        self._watch.join()
        return self._most


def measure_memory(listed: int) -> dict[str, Any]:
    """Run `child` over a simulated catalog."""
    with tempfile.TemporaryDirectory() as name:
        simulate_catalog(listed, Path(name))
        subprocess.run([sys.executable, __file__, "--child", f"{listed}:{name}"], check=True)
        return {"listed": listed, **read_json(Path(name) / "memory.json")}


def machine() -> dict[str, Any]:
    """Describe where and beside what this ran."""
    return {
        **describe(),
        "torch_threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
        "versions": package_versions(),
        "note": "each ratio is of interleaved measurements",
    }


def main() -> None:
    """Run the benchmark or some of its parts; parts that were not run keep their last result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--listed", default="10000,100000,1000000")
    parser.add_argument("--parts", default="decode,steps,memory")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        listed, _, folder = options.child.partition(":")
        child(int(listed), Path(folder))
        return
    found: dict[str, Any] = read_json(options.out) if options.out.is_file() else {}
    parts = options.parts.split(",")
    with tempfile.TemporaryDirectory() as name:
        if "decode" in parts:
            found["decode_and_augment"] = {**measure_decode(options.images, Path(name)), "machine": machine()}
        if "steps" in parts:
            catalog = real_catalog(options.images)
            rows = [measure_steps(options.steps, catalog, *kind, Path(name)) for kind in STEPS]
            found["training_step"] = {"target": 0.95, "rows": rows, "machine": machine()}
    if "memory" in parts:
        known = {row["listed"]: row for row in found.get("memory") or ()}
        known |= {int(listed): measure_memory(int(listed)) for listed in options.listed.split(",")}
        found["memory"] = [known[listed] for listed in sorted(known)]
    for part, value in found.items():
        print(f"{part:20} {value}")
    write_json(options.out, found)


if __name__ == "__main__":
    main()
