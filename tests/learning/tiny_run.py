"""A run folder as training leaves it, with a tiny network of random weights: enough for export and heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image

from colles.core.files import write_json
from colles.core.recipe import DataRecipe, EvaluateRecipe, ModelRecipe, PreprocessRecipe, Recipe, SourceRecipe
from colles.core.recipe_text import save_recipe
from colles.core.schema import CATALOG_SCHEMA
from colles.datasets.catalog import Catalog
from colles.imaging.preprocess import to_canvas, to_input
from colles.imaging.read import read_image
from colles.learning.checkpoint import describe_model, save_checkpoint
from colles.learning.models import FractureClassifier, create_model

PREPROCESS = PreprocessRecipe(size=64)


@dataclass(frozen=True)
class TinyRun:
    folder: Path
    catalog: Catalog
    recipe: Recipe
    model: FractureClassifier
    table: pl.DataFrame


def make_run(
    root: Path,
    name: str = "timm:test_resnet",
    images: int = 40,
    *,
    files: Sequence[Path] = (),
    preprocess: PreprocessRecipe = PREPROCESS,
) -> TinyRun:
    """Draw `images`, or take `files` as they are."""
    recipe = Recipe(
        name="tiny",
        data=DataRecipe(root="/somewhere/private", sources=(SourceRecipe(kind="folder", path="/somewhere/else/set"),)),
        preprocess=preprocess,
        model=ModelRecipe(name=name, weights="none", dropout=0.3),
        evaluate=EvaluateRecipe(replicates=100),
    )
    torch.manual_seed(3)
    model = create_model(recipe.model, preprocess).eval()
    rows = [_row(number, path) for number, path in enumerate(files or _draw_images(root / "images", images))]
    scores = [_score(model, path, preprocess) for path in (Path(str(row["path"])) for row in rows)]
    folder = root / "run"
    save_checkpoint(model, folder / "checkpoints" / "best.safetensors", describe_model(recipe.model, preprocess, model))
    save_recipe(recipe, folder / "recipe.yaml")
    write_json(folder / "provenance.json", {"digests": {"catalog": "c" * 64, "split": "5" * 64}})
    frame = pl.DataFrame(rows, schema_overrides=CATALOG_SCHEMA)
    table = frame.select("image_id", "group_id", y_true="label").with_columns(
        subset=pl.Series(["val" if number % 2 else "test" for number in range(len(rows))]), y_score=pl.Series(scores)
    )
    table.write_parquet(folder / "predictions.parquet")
    return TinyRun(folder, Catalog(frame), recipe, model, table)


def _draw_images(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        path = folder / f"image{number:02d}{('.png', '.jpg', '.tif')[number % 3]}"
        pixels = rng.integers(0, 200, (40 + number, 90 - number)).astype(np.uint8)
        Image.fromarray(pixels.astype(np.uint16) * 257 if path.suffix == ".tif" else pixels).save(path)
        paths.append(path)
    return paths


def _row(number: int, path: Path) -> dict[str, object]:
    return {
        "image_id": f"drawn/{path.name}",
        "source": "drawn",
        "path": str(path),
        "label": int(number % 4 < 2),
        "group_id": f"g{number}",
        "status": "ok",
        "channels": 1,
        "bit_depth": 16 if path.suffix == ".tif" else 8,
    }


def _score(model: FractureClassifier, path: Path, preprocess: PreprocessRecipe) -> float:
    x = torch.from_numpy(to_input(to_canvas(read_image(path), preprocess)[None], preprocess))
    with torch.no_grad():
        return float(torch.sigmoid(model(x).double()))
