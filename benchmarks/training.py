"""Measure images/s of `colles train` on a CPU against a bare torch loop, torchvision's reference recipe and fastai.

    python benchmarks/training.py [--rounds 3] [--images 320] [--size 224] [--batch 16] [--threads 1]

Programs in turn, each in a process of its own, on the same simulated radiographs and the same network
(efficientnet_lite0 from random weights):

- colles: `colles.learning.training.train` with the practicum's augmentation, allocator settings in the environment;
- bare: the same network, optimiser and layout over tensors that lie in memory, without augmentation, same allocator;
- reference: ImageFolder, DataLoader, RandomResizedCrop, flip and Normalize on files, SGD, glibc's allocator as it
  comes, as torchvision's references/classification does;
- fastai: `vision_learner(...).fine_tune(...)` with `aug_transforms` on the same files, allocator as it comes. It is no
  dependency of this project and is left out where it is not installed (`pip install fastai`).

Both wall clock and processor time are measured, epochs of the whole network after the first; the ratios of processor
time hardly depend on what else the machine does. Prints a table and writes benchmarks/training.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import describe

from colles.core.files import write_json
from colles.core.provenance import package_versions

RESULT = Path(__file__).with_suffix(".json")
NAME = "efficientnet_lite0"


class Clock:
    """Wall and processor seconds of stretches of work."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.images = 0

    def start(self) -> None:
        """Begin a stretch."""
        self._begun = time.perf_counter(), time.process_time()

    def stop(self, images: int) -> None:
        """End it, with so many images done."""
        self.wall += time.perf_counter() - self._begun[0]
        self.cpu += time.process_time() - self._begun[1]
        self.images += images

    def values(self) -> dict[str, float]:
        """Return images a second of both clocks."""
        return {"wall": self.images / self.wall, "cpu": self.images / self.cpu}


def run_colles(options: argparse.Namespace) -> Clock:
    """Train by the program's own function; validation between the epochs is not counted."""
    import pytorch_lightning as lightning

    from colles.core.recipe_text import recipe_from
    from colles.datasets.catalog import Catalog
    from colles.datasets.split import Split
    from colles.learning.training import train

    clock = Clock()

    class Watch(lightning.Callback):
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            self.seen = 0
            clock.start()

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.seen += len(batch["label"])
            if batch_idx + 1 == trainer.num_training_batches and trainer.current_epoch > 0:
                clock.stop(self.seen)

    values = {
        "preprocess": {"size": options.size, "mean": [0.5] * 3, "std": [0.5] * 3},
        "model": {"name": NAME, "weights": "none", "location": "off"},
        "train": {"head_epochs": 0, "epochs": options.epochs, "batch_size": options.batch, "optimizer": "adamw",
                  "scheduler": "none", "sampler": "plain", "threads": options.threads, "device": "cpu"},
    }  # fmt: skip
    data = Path(options.data)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COLLES_CACHE"] = f"{folder}/cache"
        catalog, split = Catalog.load(data / "catalog.parquet"), Split.load(data / "split.csv")
        train(catalog, split, recipe_from(values), Path(folder) / "run", callbacks=[Watch()])
    return clock


def run_bare(options: argparse.Namespace) -> Clock:
    """Train the same network over tensors in memory."""
    import torch

    from colles.core.recipe import ModelRecipe, PreprocessRecipe
    from colles.learning.models import create_model

    torch.set_num_threads(options.threads)
    recipe = ModelRecipe(name=NAME, weights="none", location="off")
    model = create_model(recipe, PreprocessRecipe(size=options.size)).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    batches = options.batches
    x = torch.randn(batches * options.batch, 3, options.size, options.size).to(memory_format=torch.channels_last)
    y = torch.randint(0, 2, (len(x), 1)).float()
    return _epochs(options, lambda: zip(x.split(options.batch), y.split(options.batch), strict=True), model, optimizer)


def run_reference(options: argparse.Namespace) -> Clock:
    """Train as torchvision's reference does: files, PIL, contiguous tensors."""
    import torch
    from torchvision import datasets, transforms

    from colles.core.recipe import ModelRecipe, PreprocessRecipe
    from colles.learning.models import create_model

    torch.set_num_threads(options.threads)
    change = transforms.Compose([transforms.RandomResizedCrop(options.size), transforms.RandomHorizontalFlip(),
                                 transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])  # fmt: skip
    folder = datasets.ImageFolder(str(Path(options.data) / "folders"), change)
    loader = torch.utils.data.DataLoader(folder, options.batch, shuffle=True, drop_last=True)
    recipe = ModelRecipe(name=NAME, weights="none", location="off")
    model = create_model(recipe, PreprocessRecipe(size=options.size)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return _epochs(options, lambda: ((x, y[:, None].float()) for x, y in loader), model, optimizer)


def run_fastai(options: argparse.Namespace) -> Clock:
    """Train as fastai's quick start does; the epoch of the head alone, the next one and validation are not counted."""
    import torch
    from fastai.vision.all import Callback, ImageDataLoaders, Resize, aug_transforms, vision_learner

    torch.set_num_threads(options.threads)
    clock = Clock()

    class Watch(Callback):  # type: ignore[misc]
        whole = 0

        def before_train(self) -> None:
            self.whole += all(part.requires_grad for part in self.learn.model[0].parameters())
            if self.whole > 1:
                clock.start()

        def after_train(self) -> None:
            if self.whole > 1:
                clock.stop(len(self.learn.dls.train) * options.batch)

    data = ImageDataLoaders.from_folder(
        Path(options.data) / "folders", valid_pct=0.05, seed=0, item_tfms=Resize(options.size),
        batch_tfms=aug_transforms(), bs=options.batch, num_workers=0, device=torch.device("cpu"),
    )  # fmt: skip
    learner = vision_learner(data, f"tf_{NAME}", pretrained=False)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(options.epochs, cbs=[Watch()])
    return clock


def _epochs(options: argparse.Namespace, batches: Callable[[], Any], model: Any, optimizer: Any) -> Clock:
    import torch

    clock = Clock()
    for epoch in range(options.epochs):
        clock.start()
        seen = 0
        for number, (x, y) in enumerate(batches()):
            if number == options.batches:
                break
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(x)
        if epoch > 0:
            clock.stop(seen)
    return clock


PROGRAMS = {"colles": run_colles, "bare": run_bare, "reference": run_reference, "fastai": run_fastai}
AS_IT_COMES = ("reference", "fastai")
"""Programs that are run with glibc's allocator, as people run them."""


def installed() -> list[str]:
    """Return the programs that can be run here."""
    return [name for name in PROGRAMS if name != "fastai" or importlib.util.find_spec("fastai")]


def prepare(folder: Path, images: int) -> int:
    """Simulate radiographs, their catalog and split, and the same training files by class; return how many they are."""
    from colles.core.recipe import PhantomRecipe, SplitRecipe
    from colles.datasets.catalog import build_catalog
    from colles.datasets.phantom import write_phantoms
    from colles.datasets.sources import create_source
    from colles.datasets.split import make_split

    write_phantoms(folder / "phantom", PhantomRecipe(images=images, size=512, seed=0))
    catalog = build_catalog([create_source("fracatlas", folder / "phantom" / "FracAtlas")], workers=1)
    split = make_split(catalog, SplitRecipe(val=0.1, test=0.1, block=1))
    catalog.save(folder / "catalog.parquet")
    split.save(folder / "split.csv")
    train = set(split.subset("train"))
    for image, path, label in catalog.frame.select("image_id", "path", "label").iter_rows():
        if image in train:
            place = folder / "folders" / str(label)
            place.mkdir(parents=True, exist_ok=True)
            (place / Path(path).name).symlink_to(path)
    return len(train)


def measure(program: str, arguments: list[str]) -> dict[str, float]:
    """Run one program in a process of its own, with its allocator."""
    from colles.learning.training.allocator import environment

    plain = {name: value for name, value in os.environ.items() if name not in environment()}
    given = plain if program in AS_IT_COMES else {**plain, **environment()}
    done = subprocess.run(
        [sys.executable, __file__, "--program", program, *arguments], env=given, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--program", choices=PROGRAMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.program:
        print(json.dumps(PROGRAMS[options.program](options).values()))
        return
    with tempfile.TemporaryDirectory() as folder:
        count = prepare(Path(folder), options.images)
        batches = count // options.batch
        arguments = [f"--{name}={getattr(options, name)}" for name in ("size", "batch", "epochs", "threads")]
        arguments += [f"--batches={batches}", f"--data={folder}"]
        rounds = [{name: measure(name, arguments) for name in installed()} for _ in range(options.rounds)]
    report(options, batches, rounds)


def report(options: argparse.Namespace, batches: int, rounds: list[dict[str, dict[str, float]]]) -> None:
    """Print and write medians over the rounds, and the medians of the ratios within a round."""
    speed = {name: {clock: round(statistics.median(r[name][clock] for r in rounds), 2) for clock in ("wall", "cpu")}
             for name in rounds[0]}  # fmt: skip
    ratio = {
        peer: {clock: round(statistics.median(r["colles"][clock] / r[peer][clock] for r in rounds), 3)
               for clock in ("wall", "cpu")}
        for peer in rounds[0]
        if peer != "colles"
    }  # fmt: skip
    for name, found in speed.items():
        print(f"{name:<10} {found['wall']:7.2f} images/s   {found['cpu']:7.2f} images/s of processor time")
    for peer, found in ratio.items():
        print(f"colles / {peer:<10} {found['wall']:.2f} by the clock, {found['cpu']:.2f} by processor time")
    machine = {**describe(), "load": os.getloadavg()}
    settings = {name: getattr(options, name) for name in ("rounds", "images", "size", "batch", "epochs", "threads")}
    settings["batches"] = batches
    values = {"machine": machine, "versions": package_versions(), "settings": settings, "images_per_second": speed}
    write_json(RESULT, {**values, "colles_over": ratio, "rounds": rounds})


if __name__ == "__main__":
    main()
