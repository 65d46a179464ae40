"""Fabricate the whole folder of a run in seconds, without images of others, networks or torch.

`python tests/reporting/fabricated_run.py OUT [IMAGES]` writes one to look at.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, ImageDraw, ImageFilter

from colles.core.files import write_json, write_text
from colles.core.recipe_text import recipe_from, save_recipe
from colles.core.records import Issue
from colles.core.schema import CATALOG_SCHEMA
from colles.core.tables import write_table
from colles.datasets.split_table import split_digest
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation

HOSTILE = "<script>alert('x')</script>&\"</script>.png"
SOURCES = ("fracatlas", "bonefractureyolo")
PARTS = ("hand", "shoulder", "leg", "hip")


def write_run(
    folder: Path,
    *,
    images: int = 400,
    seed: int = 0,
    name: str = "fabricated",
    replicates: int = 200,
    skill: float = 2.0,
) -> Path:
    """Write every artefact of `colles run` under `folder`; `skill` is the distance of the classes' scores."""
    rng = np.random.default_rng(seed)
    catalog = _catalog(images, rng)
    write_table(catalog, folder / "catalog.parquet")
    recipe = recipe_from(
        {"name": name, "evaluate": {"replicates": replicates}, "train": {"epochs": 8, "head_epochs": 2}}
    )
    save_recipe(recipe, folder / "recipe.yaml")
    save_recipe(recipe, folder / "train" / "recipe.yaml")
    split = _split(catalog, rng)
    _write_split(folder, catalog, split)
    _write_audit(folder, catalog)
    predictions = _predictions(catalog, split, rng, skill)
    _write_training(folder / "train", predictions, rng)
    table = Predictions.load(folder / "train" / "predictions.parquet")
    evaluation = evaluate(table, recipe.evaluate, catalog_frame=catalog)
    evaluation.save(folder / "evaluation" / "evaluation.json")
    _write_explanations(folder / "explain", predictions, evaluation, rng)
    _write_bundle(folder / "bundle", name)
    return folder


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _catalog(images: int, rng: np.random.Generator) -> pl.DataFrame:
    rows = []
    for index in range(images):
        source = SOURCES[int(rng.random() < 0.25)]
        upper = source == "bonefractureyolo"
        fractured = bool(rng.random() < (0.45 if upper else 0.2))
        file = HOSTILE if index == 0 else f"IMG{index:07d}.jpg"
        part = "upper_limb" if upper else PARTS[int(rng.integers(4))]
        box = {"x1": 40.0, "y1": 60.0, "x2": 90.0, "y2": 120.0, "name": None}
        status = "truncated" if index % 67 == 5 else "ok"
        known = not (source == "bonefractureyolo" and index % 37 == 3)
        rows.append(
            {
                "image_id": f"{source}/images/{file}",
                "source": source,
                "path": f"/data/{source}/images/{file}",
                "label": (int(fractured) if status == "ok" else 0) if known else None,
                "boxes": [box] if fractured and known else [],
                "body_part": part,
                "upper_limb": upper or part in ("hand", "shoulder"),
                "view": None,
                "hardware": None if upper else bool(rng.random() < 0.05),
                "width": 373,
                "height": 454,
                "channels": 1,
                "bit_depth": 8,
                "sha256": _digest(f"file {index}"),
                "pixel_sha256": _digest(f"pixels {index}") if status == "ok" else None,
                "base_name": f"base{index // 2}" if upper else None,
                "group_id": f"{source}/block{index // 10}",
                "status": status,
                "reason": "the file ends early" if status != "ok" else None,
                "file_bytes": 40_000 + index,
            }
        )
    return pl.DataFrame(rows, schema=CATALOG_SCHEMA, orient="row")


def _split(catalog: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    usable = catalog.filter((pl.col("status") == "ok") & pl.col("label").is_not_null())
    # a block holds both sources, so that base names stay together too
    blocks = usable["group_id"].str.extract(r"block(\d+)", 1)
    names = sorted(blocks.unique().to_list(), key=int)
    drawn = rng.choice(["train", "val", "test"], size=len(names), p=[0.5, 0.2, 0.3])
    side = dict(zip(names, drawn.tolist(), strict=True))
    frame = usable.select("image_id", "group_id").with_columns(subset=blocks.replace_strict(side))
    return frame.filter(pl.int_range(pl.len()) % 41 != 7)  # a few copies are quarantined


def _write_split(folder: Path, catalog: pl.DataFrame, split: pl.DataFrame) -> None:
    write_table(split, folder / "split.csv")
    reason = {"ok": "a copy that would join two groups", "truncated": "truncated"}
    left = catalog.filter(~pl.col("image_id").is_in(split["image_id"].implode()))
    excluded = [
        {"image_id": i, "reason": reason[s] if label is not None else "label unknown"}
        for i, s, label in left.select("image_id", "status", "label").iter_rows()
    ]
    balance = {s: {"images": part.height} for (s,), part in split.group_by("subset", maintain_order=True)}
    summary = {
        "catalog_digest": _digest("catalog"),
        "split_digest": split_digest(split),
        "recipe": {"val": 0.15, "test": 0.15},
        "balance": balance,
        "excluded": excluded,
        "groups": {"n": split["group_id"].n_unique()},
    }
    write_json(folder / "split.json", summary)


def _write_audit(folder: Path, catalog: pl.DataFrame) -> None:
    ids = catalog["image_id"].to_list()
    broken = catalog.filter(pl.col("status") != "ok")["image_id"].to_list()
    issues = [Issue(kind="truncated", severity="error", images=(i,), detail="The file ends early") for i in broken]
    pairs = [(ids[index], ids[index + 1]) for index in range(10, 40, 4)]
    issues += [
        Issue(kind="near_duplicate", severity="warning", images=p, detail="Aligned pixels correlate 0.99")
        for p in pairs
    ]
    issues.append(
        Issue(kind="exact_duplicate", severity="warning", images=(ids[0], ids[3], ids[4]), detail="The same bytes")
    )
    issues.append(
        Issue(kind="split_leak", severity="error", images=tuple(ids[20:23]), detail="Base name lies in train, val")
    )
    summary = {
        "catalog_digest": _digest("catalog"),
        "images": catalog.height,
        "duplicates": {"clusters": 9, "images": 19, "largest": 3},
        "leaks": {"across": "the sources' own split", "n": 1, "images": 3, "units": {"base name": 1}},
    }
    write_json(
        folder / "audit" / "audit.json", {"summary": summary, "issues": [i.model_dump(mode="json") for i in issues]}
    )
    readable = catalog.filter(pl.col("status") == "ok").select("image_id", "group_id")
    write_table(readable.with_columns(copy_id=pl.lit(None, dtype=pl.String)), folder / "audit" / "clusters.csv")
    write_text(folder / "audit" / "audit.html", "<!DOCTYPE html><title>audit</title>")


def _predictions(catalog: pl.DataFrame, split: pl.DataFrame, rng: np.random.Generator, skill: float) -> pl.DataFrame:
    rows = split.filter(pl.col("subset") != "train").join(catalog.select("image_id", "label", "source"), on="image_id")
    y_true = rows["label"].to_numpy()
    harder = np.where(rows["source"].to_numpy() == "bonefractureyolo", 0.7, 1.0)
    logit = rng.normal(size=len(y_true)) * 1.1 + (y_true - 0.6) * skill * harder
    scores = pl.Series("y_score", 1 / (1 + np.exp(-logit)))
    return rows.select("image_id", "group_id", "subset", pl.col("label").alias("y_true")).with_columns(scores)


def _write_training(folder: Path, predictions: pl.DataFrame, rng: np.random.Generator) -> None:
    write_table(predictions, folder / "predictions.parquet")
    epochs = np.arange(10)
    metrics = {
        "epoch": epochs,
        "stage": ["head"] * 2 + ["all"] * 8,
        "train_loss": 0.68 * np.exp(-0.19 * epochs) + rng.normal(0, 0.008, 10),
        "val_loss": 0.66 * np.exp(-0.1 * epochs) + 0.01 * epochs + rng.normal(0, 0.01, 10),
        "val_auroc": 0.9 - 0.3 * np.exp(-0.45 * epochs) + rng.normal(0, 0.006, 10),
        "lr": np.where(epochs < 2, 1e-3, 1e-4),
        "seconds": rng.uniform(30, 34, 10),
    }
    write_table(pl.DataFrame(metrics), folder / "metrics.csv")
    positives = rng.integers(480, 520, 10)
    write_table(
        pl.DataFrame({"epoch": epochs, "positives": positives, "negatives": 1000 - positives}), folder / "classes.csv"
    )
    bad = {"image_id": [f"fracatlas/images/{HOSTILE}"], "path": [f"/data/{HOSTILE}"], "reason": ["the file ends early"]}
    write_table(pl.DataFrame(bad), folder / "bad_files.csv")
    sheet = Image.new("L", (6 * 150, 2 * 150))
    for index in range(12):
        sheet.paste(_radiograph(rng, 148, 148), (index % 6 * 150, index // 6 * 150))
    sheet.save(folder / "samples.png")
    provenance: dict[str, Any] = {
        "created": "2026-01-01T00:00:00+00:00",
        "command": f"colles train recipe.yaml --out 'runs/{HOSTILE}'",
        "versions": {"colles": "0.1.0", "numpy": "2.0.0"},
        "python": "3.11.0",
        "system": "Linux x86_64",
        "digests": {"catalog": _digest("catalog"), "split": _digest("split")},
        "weights_from": "imagenet",
    }
    write_json(folder / "provenance.json", provenance)


def _radiograph(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Draw two soft bones on a dark ground."""
    image = Image.new("L", (width, height), 18)
    draw = ImageDraw.Draw(image)
    for centre in (0.38, 0.6):
        x, half = centre * width + rng.normal(0, width / 40), width / 14
        draw.rounded_rectangle(
            (x - half, height * 0.08, x + half, height * 0.92), radius=half, fill=150, outline=215, width=3
        )
    noise = Image.fromarray(rng.integers(0, 40, (height, width), dtype=np.uint8))
    return Image.blend(image.filter(ImageFilter.GaussianBlur(2)), noise, 0.2)


def _write_explanations(
    folder: Path, predictions: pl.DataFrame, evaluation: Evaluation, rng: np.random.Generator
) -> None:
    folder.mkdir(parents=True)
    threshold = evaluation.operating_points["f1"].threshold
    entries = []
    for outcome in ("TP", "FP", "FN", "TN"):
        called, fractured = outcome.endswith("P"), outcome in ("TP", "FN")
        rows = predictions.filter(
            (pl.col("subset") == "test")
            & (pl.col("y_true") == int(fractured))
            & ((pl.col("y_score") >= threshold) == called)
        )
        for image_id, score in rows.select("image_id", "y_score").head(3).iter_rows():
            for method in ("gradcam", "input_gradient"):
                file = f"{len(entries):03d}_{method}.png"
                _overlay(rng, 373, 454).save(folder / file)
                entry = {"path": f"/data/{image_id}", "image_id": image_id, "method": method, "score": score}
                entry |= {"peak": [80, 90], "map": f"{len(entries):03d}.npy", "overlay": file, "outcome": outcome}
                entries.append(entry)
    write_json(folder / "explanations.json", entries)


def _overlay(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image = _radiograph(rng, width, height).convert("RGB")
    heat = Image.new("RGB", image.size, (253, 231, 37))
    x, y = rng.integers(width // 4, 3 * width // 4), rng.integers(height // 4, 3 * height // 4)
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).ellipse((x - 40, y - 40, x + 40, y + 40), fill=190)
    return Image.composite(heat, image, mask.filter(ImageFilter.GaussianBlur(18)))


def _write_bundle(folder: Path, name: str) -> None:
    metadata = {
        "schema_version": 1,
        "name": name,
        "version": "0.1.0",
        "intended_use": "Research on fracture detection; not for diagnosis",
        "parity": {"images": 64, "max_difference": 3.1e-7, "tolerance": 1e-4, "passed": True},
    }
    write_json(folder / "metadata.json", metadata)
    files = {file: _digest(file) for file in ("metadata.json", "model.onnx", "model.safetensors", "recipe.yaml")}
    write_json(folder / "manifest.json", {"files": files})


if __name__ == "__main__":
    print(write_run(Path(sys.argv[1]), images=int(sys.argv[2]) if len(sys.argv) > 2 else 3000, replicates=1000))
