"""Compare AUROC on val after the same epochs, from the same ImageNet weights, on the same files and network.

    COLLES_DATA=DIR python benchmarks/training_auroc.py [--epochs 4] [--size 224] [--threads N] [--images 0]

FracAtlas below DIR: every fractured image of train and 2.1 times as many others, drawn by seed. Each program trains
EfficientNet-Lite0 in a process of its own, then scores val with the weights of its last epoch, since an epoch chosen
on val would flatter its program; test is not touched:

- colles: `recipes/practicum.yaml`, and the same without the location map (labels alone, as the others have them);
- reference: torchvision's transforms and evaluation (RandomResizedCrop, flip; resize and centre crop), SGD at 1e-3 with
  momentum, as its transfer-learning tutorial does;
- fastai: `vision_learner(...).fine_tune(epochs)`, which trains the head for one epoch more. It is no dependency of this
  project and is left out where it is not installed (`pip install fastai`).

Prints a table and writes benchmarks/training_auroc.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from machine import describe

from colles.core.files import write_json
from colles.core.provenance import package_versions

RESULT = Path(__file__).with_suffix(".json")
RECIPE = Path(__file__).parents[1] / "recipes" / "practicum.yaml"
NEGATIVES = 2.1
PEERS = ("colles, labels alone", "reference", "fastai")


def run_colles(options: argparse.Namespace, location: str = "on") -> pl.DataFrame:
    """Train by the program's own function; return image_id and y_score of val, as the last epoch scores it."""
    from colles.core.recipe_text import load_recipe, recipe_from
    from colles.datasets.catalog import Catalog
    from colles.datasets.split import Split
    from colles.learning.checkpoint import load_classifier
    from colles.learning.parity import score_files
    from colles.learning.training import train

    values = load_recipe(RECIPE).model_dump(mode="json")
    values["data"]["sources"] = values["data"]["sources"][:1]
    values["preprocess"]["size"] = options.size
    values["model"]["location"] = location
    values["train"] |= {"epochs": options.epochs, "patience": options.epochs, "canvas": options.size * 5 // 4,
                        "negatives": None, "threads": options.threads, "device": "cpu"}  # fmt: skip
    data = Path(options.data)
    out = data / f"run_{location}"
    train(Catalog.load(data / "catalog.parquet"), Split.load(data / "split.csv"), recipe_from(values), out)
    model, preprocess = load_classifier(out / "checkpoints" / "last.safetensors")
    files = validation(options)
    scores = score_files(model, preprocess, [Path(file) for file in files["file"]])
    return files.select("image_id").with_columns(y_score=pl.Series(scores))


def run_reference(options: argparse.Namespace) -> pl.DataFrame:
    """Train and score as torchvision's reference does."""
    import torch
    from torchvision import datasets, transforms

    from colles.core.recipe import ModelRecipe, PreprocessRecipe
    from colles.learning.models import create_model

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    last = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    change = transforms.Compose([transforms.RandomResizedCrop(options.size), transforms.RandomHorizontalFlip(), *last])
    judge = transforms.Compose(
        [transforms.Resize(options.size * 256 // 224), transforms.CenterCrop(options.size), *last]
    )
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(str(Path(options.data) / "folders"), change), 16, shuffle=True, drop_last=True
    )
    recipe = ModelRecipe(name="efficientnet_lite0", weights="imagenet", dropout=0.2, location="off")
    model = create_model(recipe, PreprocessRecipe(size=options.size)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    for _ in range(options.epochs):
        for x, y in loader:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y[:, None].float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    files = validation(options)
    with torch.inference_mode():
        scores = [float(model(judge(datasets.folder.pil_loader(file))[None])) for file in files["file"]]
    return files.select("image_id").with_columns(y_score=pl.Series(scores))


def run_fastai(options: argparse.Namespace) -> pl.DataFrame:
    """Train and score as fastai's quick start does, from the same weights."""
    import torch
    from fastai.vision.all import ImageDataLoaders, Normalize, Resize, aug_transforms, set_seed, vision_learner

    from colles.learning.models.pretrained import lite0_backbone

    torch.set_num_threads(options.threads)
    set_seed(0)
    data = ImageDataLoaders.from_folder(
        Path(options.data) / "folders", valid_pct=0.02, seed=0, item_tfms=Resize(options.size), bs=16, num_workers=0,
        batch_tfms=[*aug_transforms(), Normalize.from_stats([0.5] * 3, [0.5] * 3, cuda=False)],
        device=torch.device("cpu"),
    )  # fmt: skip
    learner = vision_learner(data, "tf_efficientnet_lite0", pretrained=False, normalize=False)
    found = learner.model[0].model.load_state_dict(lite0_backbone(3)[0].state_dict(), strict=False)
    if found.missing_keys:
        raise SystemExit(f"weights are missing: {found.missing_keys[:3]}")
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(options.epochs)
        files = validation(options)
        scores, _ = learner.get_preds(dl=data.test_dl(files["file"].to_list()))
    place = list(data.vocab).index("1")
    return files.select("image_id").with_columns(y_score=pl.Series(scores[:, place].numpy()))


PROGRAMS = {
    "colles": run_colles,
    "colles, labels alone": lambda options: run_colles(options, "off"),
    "reference": run_reference,
    "fastai": run_fastai,
}


def validation(options: argparse.Namespace) -> pl.DataFrame:
    """Return image_id and file of each image of val."""
    return pl.read_parquet(Path(options.data) / "val.parquet")


def prepare(folder: Path, images: int) -> dict[str, int]:
    """Write catalog, a split with fewer negatives, val, and the training files by class; return how many there are."""
    from colles.core.recipe_text import load_recipe
    from colles.datasets.catalog import build_catalog
    from colles.datasets.sources import create_source
    from colles.datasets.split import Split, make_split

    catalog = build_catalog([create_source("fracatlas", Path(os.environ["COLLES_DATA"]) / "FracAtlas")])
    whole = make_split(catalog, load_recipe(RECIPE).split)
    rows = catalog.frame.select("image_id", "path", "label", "group_id")
    train = rows.filter(pl.col("image_id").is_in(list(whole.subset("train"))))
    fractured = train.filter(pl.col("label") == 1).sample(fraction=1, shuffle=True, seed=0)
    fractured = fractured.head(images or fractured.height)
    others = train.filter(pl.col("label") == 0).sample(math.ceil(NEGATIVES * fractured.height), seed=0)
    shown = set(fractured["image_id"]) | set(others["image_id"])
    kept = pl.col("image_id").is_in(list(shown)) | (pl.col("subset") == "val")
    catalog.save(folder / "catalog.parquet")
    Split(whole.frame.filter(kept), whole.summary).save(folder / "split.csv")
    for path, label in pl.concat([fractured, others]).select("path", "label").iter_rows():
        place = folder / "folders" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        (place / Path(path).name).symlink_to(path)
    val = rows.filter(pl.col("image_id").is_in(list(whole.subset("val")))).rename({"path": "file"})
    val.write_parquet(folder / "val.parquet")
    return {
        "fractured": fractured.height,
        "others": others.height,
        "val": val.height,
        "val_fractured": val["label"].sum(),
    }


def measure(program: str, arguments: list[str], data: Path) -> np.ndarray:
    """Run one program in a process of its own; return its scores of val, ordered as val.parquet."""
    from colles.learning.training.allocator import environment

    out = data / "scores.parquet"
    subprocess.run(
        [sys.executable, __file__, "--program", program, "--scores", str(out), *arguments],
        env={**os.environ, **environment()},
        check=True,
    )
    val, scored = pl.read_parquet(data / "val.parquet"), pl.read_parquet(out)
    return val.join(scored, on="image_id", how="left", maintain_order="left")["y_score"].to_numpy()


def figures(val: pl.DataFrame, first: np.ndarray, second: np.ndarray | None = None) -> dict[str, float]:
    """Return an AUROC, or the difference of two, with its 95 % interval by group (DeLong)."""
    from colles.evaluation.metrics.delong import auroc_difference, auroc_variance
    from colles.evaluation.scores import group_codes

    y_true, groups = val["label"].to_numpy() == 1, group_codes(val["group_id"])
    if second is None:
        value, variance = auroc_variance(y_true, first, groups=groups)
    else:
        value, variance = auroc_difference(y_true, first, second, groups=groups)
    half = 1.96 * math.sqrt(variance)
    return {"value": round(value, 4), "low": round(value - half, 4), "high": round(value + half, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--images", type=int, default=0, help="so many fractured images at most; 0: all")
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--scores", help=argparse.SUPPRESS)
    parser.add_argument("--program", choices=PROGRAMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.program:
        PROGRAMS[options.program](options).write_parquet(options.scores)
        return
    if not os.environ.get("COLLES_DATA"):
        parser.error("COLLES_DATA names no folder with FracAtlas")
    names = [name for name in PROGRAMS if name != "fastai" or importlib.util.find_spec("fastai")]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        counts = prepare(folder, options.images)
        arguments = [f"--{name}={getattr(options, name)}" for name in ("epochs", "size", "threads")]
        found = {name: measure(name, [*arguments, f"--data={folder}"], folder) for name in names}
        report(options, counts, pl.read_parquet(folder / "val.parquet"), found)


def report(
    options: argparse.Namespace, counts: dict[str, int], val: pl.DataFrame, found: dict[str, np.ndarray]
) -> None:
    """Print and write each program's AUROC and how far colles is above it."""
    programs: dict[str, Any] = {}
    for name, scores in found.items():
        programs[name] = {"auroc": figures(val, scores)}
        if name in PEERS:
            programs[name]["colles_above"] = figures(val, found["colles"], scores)
        print(name, json.dumps(programs[name]))
    settings = {name: getattr(options, name) for name in ("epochs", "size", "threads")}
    values = {"machine": describe(), "versions": package_versions(), "settings": settings, "images": counts}
    write_json(RESULT, {**values, "programs": programs})


if __name__ == "__main__":
    main()
