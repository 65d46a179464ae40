"""All batches of a training: train drawn anew each epoch, val and test in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytorch_lightning as lightning
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from colles.core.errors import InputError, TrainingError, UnreadableImageError
from colles.core.progress import say
from colles.core.recipe import DataRecipe, PreprocessRecipe, TrainRecipe
from colles.core.tables import write_table
from colles.datasets.catalog import Catalog
from colles.datasets.rows import CatalogRows
from colles.datasets.split import Split
from colles.imaging.preprocess import placement
from colles.learning.loaders.augment import NO_BOXES, create_augment
from colles.learning.loaders.cache import LIMITS, load_canvases
from colles.learning.loaders.dataset import CanvasDataset
from colles.learning.loaders.listing import Listing
from colles.learning.loaders.samplers import EpochSampler, draw_epoch
from colles.learning.loaders.targets import Boxes


@dataclass(frozen=True)
class TrainingCanvases:
    """What augmentation starts from, an entry a training image."""

    canvases: NDArray[np.uint8]
    """(N, C, C)."""
    rows: NDArray[np.int64]
    """Of each training image among the canvases."""
    boxes: list[Boxes]
    """Of each training image, in pixels of its canvas."""


def boxes_on_canvas(rows: CatalogRows, recipe: PreprocessRecipe) -> list[Boxes]:
    """Return each radiograph's boxes as (k, 4) in pixels of its canvas."""
    found = [NO_BOXES] * len(rows)
    for place in rows.with_boxes():
        row = rows[place]
        known = row.boxes if row.width and row.height else ()
        placed = placement(row.width or 1, row.height or 1, recipe).boxes_to_canvas(known)
        found[place] = np.array([(box.x1, box.y1, box.x2, box.y2) for box in placed], np.float32).reshape(-1, 4)
    return found


class RadiographDataModule(lightning.LightningDataModule):
    """Radiographs of a split, ready to be shown."""

    def __init__(
        self,
        catalog: Catalog,
        split: Split,
        preprocess: PreprocessRecipe,
        recipe: TrainRecipe,
        *,
        seed: int,
        limits: DataRecipe = LIMITS,
        stride: int = 0,
    ) -> None:
        """`stride` is the location map's, in pixels a cell; 0 asks for no map."""
        super().__init__()
        split.assert_matches(catalog)
        self.preprocess, self.recipe, self.seed = preprocess, recipe, seed
        # arrays for all that batches need: training processes are forked, and polars' threads do not survive that
        self.listing = Listing(catalog, split)
        self.labels = self.listing.labels
        self._assert_classes(self.rows, "Split again, with more data")
        self.parts = self.listing.part
        self._assert_parts()
        rows = self.listing.rows
        cache = load_canvases(rows, preprocess, limits=limits)
        self.canvases, self.bad = cache.canvases, dict(cache.bad)
        self.stride = stride
        self.drawing = self._training_canvases(rows, limits)
        if recipe.random_labels:
            self._shuffle_labels()
        self.weights = np.ones(len(rows), np.float32)
        self.weights[list(self.bad)] = 0.0
        self._assert_classes(
            self._readable, f"{len(self.bad)} files are broken: build the catalog again, which lists them"
        )
        self.head_epochs = recipe.head_epochs
        self.epoch = 0
        self.drawn: NDArray[np.int64] = np.empty(0, np.int64)

    def _shuffle_labels(self) -> None:
        """Give every training image label, part and boxes of another one, by seed; val and test stay as they are."""
        train = self.rows("train")
        order = np.random.default_rng(self.seed).permutation(len(train))
        self.labels[train] = self.labels[train][order]
        self.parts[train] = self.parts[train][order]
        self.drawing = replace(self.drawing, boxes=[self.drawing.boxes[place] for place in order.tolist()])

    def _training_canvases(self, rows: CatalogRows, limits: DataRecipe) -> TrainingCanvases:
        """Return what augmentation starts from, larger than the network's input where the recipe asks for it."""
        known, larger = self.rows("train"), self.recipe.canvas
        chosen = rows.take(known)
        if larger is None or larger == self.preprocess.size:
            return TrainingCanvases(self.canvases, known, boxes_on_canvas(chosen, self.preprocess))
        recipe = self.preprocess.model_copy(update={"size": larger})
        cache = load_canvases(chosen, recipe, limits=limits)
        self.bad |= {int(known[place]): reason for place, reason in cache.bad.items()}
        return TrainingCanvases(cache.canvases, np.arange(len(known)), boxes_on_canvas(chosen, recipe))

    def _assert_classes(self, rows: Callable[[str], NDArray[np.int64]], repair: str) -> None:
        for subset in ("train", "val"):
            found = set(self.labels[rows(subset)].tolist())
            if found != {0, 1}:
                which = "fractured" if 1 not in found else "non-fractured"
                raise InputError(f"{subset} holds no {which} image", field="split", repair=repair)

    def _assert_parts(self) -> None:
        known = self.parts[self.rows("train")]
        if self.recipe.part_weight and len(np.unique(known[known >= 0])) < 2:
            reason = "the catalog names no two body parts in train for a head to tell apart"
            raise InputError(reason, field="train.part_weight", repair="Set it to 0")

    @property
    def part_names(self) -> list[str]:
        """The body parts that a head is to tell apart; none where the recipe asks for no such head."""
        return self.listing.parts if self.recipe.part_weight else []

    def rows(self, subset: str) -> NDArray[np.int64]:
        """Return the rows of a subset, by image_id."""
        return self.listing.of(subset)

    def _readable(self, subset: str) -> NDArray[np.int64]:
        rows = self.rows(subset)
        return rows[self.weights[rows] > 0]

    def _radiographs(self) -> NDArray[np.int64]:
        """Return the readable rows of train, one of the augmented copies of each radiograph."""
        rows = self._readable("train")[::-1]
        _, last = np.unique(self.listing.radiograph[rows], return_index=True)
        return np.asarray(rows[last])

    def positive_weight(self) -> float:
        """Return non-fractured over fractured among what train can show: its radiographs, or all their copies."""
        labels = self.labels[self._radiographs() if self.recipe.copies == "one" else self._readable("train")]
        return float((labels == 0).sum() / max(1, (labels == 1).sum()))

    def write_bad_files(self, path: Path) -> None:
        """List broken files, and stop where strict reading or their share forbids to go on.

        Raise `UnreadableImageError` under `strict`, `TrainingError` above `max_bad_share`.
        """
        broken = self.listing.rows.take(list(self.bad))
        listed = [(row.image_id, row.path, why) for row, why in zip(broken, self.bad.values(), strict=True)]
        schema = dict.fromkeys(["image_id", "path", "reason"], pl.String)
        write_table(pl.DataFrame(listed, schema=schema, orient="row"), path)
        for _, file, why in listed:
            say(f"placeholder for a broken file: {file}: {why}")
        if listed and self.recipe.strict:
            raise UnreadableImageError(
                listed[0][2], path=listed[0][1], repair="Leave it out, or set train.strict=false"
            )
        if len(listed) > self.recipe.max_bad_share * len(self.labels):
            repair = "Build the catalog again, or raise train.max_bad_share"
            raise TrainingError(f"{len(listed)} of {len(self.labels)} files are broken", path=path, repair=repair)

    def training_dataset(self) -> CanvasDataset:
        """Return the readable images of train, augmented."""
        train = self.rows("train")
        kept = np.flatnonzero(self.weights[train] > 0)
        rows, drawing = train[kept], self.drawing
        return CanvasDataset(
            drawing.canvases,
            drawing.rows[kept],
            self.labels[rows],
            self.weights[rows],
            self.preprocess.model_copy(update={"size": self.training_size()}),
            augment=create_augment(self.recipe.augment, self.training_size()),
            seed=self.seed,
            boxes=[drawing.boxes[place] for place in kept.tolist()],
            stride=self.stride,
            parts=self.parts[rows] if self.part_names else None,
            part_count=len(self.part_names),
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the batches of the epoch that `self.epoch` names; broken files take no part in it."""
        self.drawn = self._draw(self.epoch)
        world = self.trainer.world_size if self.trainer is not None else 1
        rank = self.trainer.global_rank if self.trainer is not None else 0
        return DataLoader(
            self.training_dataset(),
            batch_size=self.recipe.batch_size // world,
            sampler=EpochSampler(self.drawn, self.epoch, rank=rank, world=world),
            num_workers=self.recipe.workers,
            drop_last=len(self.drawn) > self.recipe.batch_size,  # batch norm cannot learn from a batch of one
        )

    def _draw(self, epoch: int) -> NDArray[np.int64]:
        rows = self._readable("train")
        drawn = draw_epoch(
            self.labels[rows],
            self.listing.radiograph[rows] if self.recipe.copies == "one" else None,
            self.recipe.sampler,
            seed=self.seed,
            epoch=epoch,
            sources=self.listing.source[rows],
            negatives=self.recipe.negatives,
        )
        if self.recipe.mode == "quick":
            return drawn[: max(2 * self.recipe.batch_size, len(drawn) // 4)]
        return drawn

    def shown_labels(self, epoch: int) -> NDArray[np.int64]:
        """Return the labels of the images that an epoch shows."""
        return self.labels[self._readable("train")][self._draw(epoch)]

    def prevalence(self) -> float:
        """Return the share of fractures among the readable radiographs of train, augmented copies counted once."""
        labels = self.labels[self._radiographs()]
        return float(labels.sum() / max(1, len(labels)))

    def training_size(self) -> int:
        """Return the side of the epoch's training images in pixels."""
        sizes, recipe = self.recipe.progressive, self.recipe
        if not sizes:
            return self.preprocess.size
        done = max(0, self.epoch - self.head_epochs) / max(1, recipe.epochs)
        return sizes[min(len(sizes) - 1, int(done * len(sizes)))]

    def class_counts(self) -> dict[str, int]:
        """Count the classes in the last epoch's batches: in all, and as `SOURCE:positives`, `SOURCE:negatives`."""
        full = len(self.drawn) // self.recipe.batch_size * self.recipe.batch_size
        rows = self._readable("train")[self.drawn[: full or None]]  # images beyond the last full batch are not shown
        labels, sources = self.labels[rows], self.listing.source[rows]
        counts = {"positives": int((labels == 1).sum()), "negatives": int((labels == 0).sum())}
        for number, source in enumerate(self.listing.sources):
            of_source = labels[sources == number]
            counts[f"{source}:positives"] = int((of_source == 1).sum())
            counts[f"{source}:negatives"] = int((of_source == 0).sum())
        return counts

    def val_dataloader(self) -> DataLoader[Any]:
        """Return val in a fixed order."""
        return self.plain_loader("val")

    def plain_loader(self, subset: str) -> DataLoader[Any]:
        """Return a subset in a fixed order, without augmentation."""
        rows = self.rows(subset)
        dataset = CanvasDataset(self.canvases, rows, self.labels[rows], self.weights[rows], self.preprocess)
        return DataLoader(dataset, batch_size=self.recipe.batch_size, num_workers=self.recipe.workers)
