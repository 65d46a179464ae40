"""The Lightning shell around a classifier: steps, optimiser, validation figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
import pytorch_lightning as lightning
import torch
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, roc_curve
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from colles.core.errors import TrainingError
from colles.core.recipe import TrainRecipe
from colles.learning.loaders.samplers import epoch_seed
from colles.learning.models import FractureClassifier
from colles.learning.training.losses import answer_loss, answer_map_loss, label_loss, look_loss, map_loss, part_loss
from colles.learning.training.mixup import mix_pairs
from colles.learning.training.teachers import Teachers

DIVERGED = "Lower train.lr, in another folder; the weights of finished epochs are kept"


class ClassifierModule(lightning.LightningModule):
    """One stage of training: the head alone, or all layers."""

    def __init__(
        self,
        model: FractureClassifier,
        recipe: TrainRecipe,
        *,
        stage: str,
        seed: int,
        first_epoch: int,
        steps: int,
        positive_weight: float,
        teachers: Teachers | None = None,
        prior_shift: float = 0.0,
        parts: int = 0,
    ) -> None:
        """`prior_shift` is what the kept network's logits are moved by, so val is judged with it. `steps` is the
        number of optimiser steps of the whole stage, `first_epoch` the run's epoch it begins with, `parts` the number
        of body parts that a head beside the network is to tell apart.
        """
        super().__init__()
        self.model, self.recipe, self.stage = model, recipe, stage
        self.seed, self.first_epoch, self.steps = seed, first_epoch, steps
        self.positive_weight = positive_weight
        self.teachers = teachers  # no module of this one: their weights are neither learned nor saved
        self.prior_shift = prior_shift
        self.figures: dict[str, float] = {}
        self.plateau: ReduceLROnPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None
        self._losses: list[Tensor] = []
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []
        self._release(0)
        self.average = running_mean(model, recipe.ema) if recipe.ema and stage != "head" else None
        self.part_head = _part_head(model, parts) if parts and stage != "head" else None

    def _release(self, epoch: int) -> None:
        """Let the stages learn that may, `epoch` epochs into this stage of training."""
        recipe = self.recipe
        if self.stage == "head" or recipe.freeze_backbone:
            self.model.learn_stages(0)
        elif recipe.unfreeze_every:
            self.model.learn_stages((recipe.last_stages or 1) + epoch // recipe.unfreeze_every)
        else:
            self.model.learn_stages(recipe.last_stages)

    @property
    def judged(self) -> FractureClassifier:
        """The network that val judges and that is kept: the running mean of the weights where there is one."""
        return self.model if self.average is None else self.average.module  # type: ignore[return-value]

    @property
    def run_epoch(self) -> int:
        """Number of the epoch in the whole run, from 0."""
        return self.first_epoch + int(self.current_epoch)

    def configure_optimizers(self) -> Any:
        """Return the optimiser and, for the second stage, its schedule."""
        recipe = self.recipe
        groups = self._parameter_groups()
        optimizer = create_optimizer(recipe, groups)
        if self.stage == "head" or recipe.scheduler == "none":
            return optimizer
        if recipe.scheduler == "plateau":
            mode: Literal["min", "max"] = "min" if recipe.monitor == "loss" else "max"
            self.plateau = ReduceLROnPlateau(optimizer, mode=mode, patience=recipe.plateau_patience)
            return optimizer
        steps = max(1, self.steps)
        schedule = (
            OneCycleLR(optimizer, max_lr=[group["lr"] for group in groups], total_steps=steps)
            if recipe.scheduler == "onecycle"
            else LambdaLR(optimizer, partial(cosine_share, steps=steps, warmup=recipe.warmup_steps))
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def _parameter_groups(self) -> list[dict[str, Any]]:
        recipe, head = self.recipe, [p for p in self.model.head_parameters() if p.requires_grad]
        if self.stage == "head":
            return [{"params": head, "lr": recipe.head_lr}]
        # gradual unfreezing releases parameters later; without a gradient the optimiser leaves them alone
        backbone = [p for p in self.model.backbone_parameters() if p.requires_grad or recipe.unfreeze_every]
        new = [] if self.part_head is None else list(self.part_head.parameters())
        groups = [
            {"params": backbone, "lr": recipe.lr},
            {"params": head + new, "lr": recipe.new_layers_lr or recipe.lr},
        ]
        return [group for group in groups if group["params"]]

    def on_train_batch_end(self, *arguments: Any, **named: Any) -> None:
        """Move the running mean of the weights."""
        if self.average is not None:
            self.average.update_parameters(self.model)

    def on_train_epoch_end(self) -> None:
        """Lower the rate on a plateau.

        Lightning would do so after the state to resume from is written, and a resumed run would miss the step.
        """
        if self.plateau is not None:
            self.plateau.step(self.figures[self.recipe.monitor])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the plateau's memory to the state."""
        if self.plateau is not None:
            checkpoint["plateau"] = self.plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again; the optimiser, restored beside it, holds the rate."""
        self._plateau_state = checkpoint.get("plateau")

    def on_train_start(self) -> None:
        """Bring the teachers, and restore the plateau's memory, now that there is an optimiser."""
        if self.teachers is not None:
            self.teachers.to(self.device)
        if self.plateau is not None and self._plateau_state is not None:
            self.plateau.load_state_dict(self._plateau_state)

    def on_train_epoch_start(self) -> None:
        """Forget the losses of the last epoch; let another stage learn where its time has come."""
        self._losses = []
        self._release(int(self.current_epoch))

    def loss(self, found: dict[str, Tensor], batch: dict[str, Tensor]) -> Tensor:
        """Return the label's loss (of the pooled head too, where there is a map) plus the map's and the part's."""
        if "look_logit" in found:
            return look_loss(found, self.recipe.location_weight)
        weighted = self.recipe.loss == "weighted_bce"
        positive = torch.tensor(self.positive_weight, device=found["logit"].device) if weighted else None
        total = torch.zeros((), device=found["logit"].device)
        for name in ("logit", "pooled"):
            if name in found:
                total = total + label_loss(
                    found[name],
                    batch["label"],
                    batch["weight"],
                    smoothing=self.recipe.label_smoothing,
                    positive_weight=positive,
                    focal_gamma=self.recipe.focal_gamma if self.recipe.loss == "focal" else 0.0,
                )
        if "cam" in found and "target" in batch:
            total = total + self.recipe.location_weight * map_loss(found["cam"], batch["target"], batch["located"])
        if self.part_head is not None:
            told = part_loss(self.part_head(found["embedding"]), batch["part"], batch["weight"])
            total = total + self.recipe.part_weight * told
        return total

    def taught_loss(self, found: dict[str, Tensor], answers: dict[str, Tensor], weight: Tensor) -> Tensor:
        """Return how far the network is from the teachers' answers: logit, pooled head's logit, and map, weighted."""
        logits = [found[name] for name in ("logit", "pooled") if name in found]
        total = torch.stack([answer_loss(logit, answers["logit"], weight) for logit in logits]).sum()
        if "cam" in found and "cam" in answers and found["cam"].shape == answers["cam"].shape:
            total = total + self.recipe.location_weight * answer_map_loss(found["cam"], answers["cam"], weight)
        return total

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        """Return the loss of a batch; raise `TrainingError` where it is not a number."""
        # dropout hangs on epoch and step alone, so a resumed run repeats it
        torch.manual_seed(epoch_seed(self.seed, 1, self.run_epoch, index))
        batch = mix_pairs(batch, self.recipe.mixup) if self.recipe.mixup else batch
        image = _layout(batch["image"])
        # half precision is for the network: a loss adds up thousands of small numbers
        with _readable():
            found = {name: value.float() for name, value in self.model.training_outputs(image, batch).items()}
        loss = self.loss(found, batch)
        if self.teachers is not None:
            share = self.recipe.teacher_weight
            loss = (1.0 - share) * loss + share * self.taught_loss(found, self.teachers.answer(image), batch["weight"])
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is {float(loss)} at step {index} of epoch {self.run_epoch}", repair=DIVERGED)
        self._losses.append(loss.detach())
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(batch["label"]))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._seen = []

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        """Collect logits and labels."""
        logit = self.judged(_layout(batch["image"]))[:, 0]
        self._seen.append((logit.float().cpu() + self.prior_shift, batch["label"].cpu(), batch["weight"].cpu()))

    def on_validation_epoch_end(self) -> None:
        """Compute the figures that early stopping and the choice of the best epoch read."""
        logit, label, weight = (torch.cat(parts) for parts in zip(*self._seen, strict=True))
        readable = weight > 0
        if not torch.isfinite(logit).all():
            raise TrainingError(f"the scores of val are not finite after epoch {self.run_epoch}", repair=DIVERGED)
        # each process validates on all of val; the first one's word holds, or they might not stop together
        self.figures = self.trainer.strategy.broadcast(validation_figures(logit[readable], label[readable]))
        for name, value in self.figures.items():
            self.log(f"val_{name}", value, prog_bar=name == "auroc", batch_size=len(label))

    @property
    def train_loss(self) -> float:
        """Mean loss of the epoch's batches so far."""
        return float(torch.stack(self._losses).mean()) if self._losses else float("nan")


@contextmanager
def _readable() -> Iterator[None]:
    """Raise a `TrainingError` where a batch norm meets a batch of one picture that has shrunk to one pixel."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise TrainingError(
            "a batch of one image of so few pixels teaches a batch norm nothing",
            field="train.batch_size",
            repair="Set it to 2 or more a process, or enlarge preprocess.size",
        ) from error


def _part_head(model: FractureClassifier, parts: int) -> nn.Linear:
    head = nn.Linear(model.head.in_features, parts)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)  # equally likely, whatever was drawn before
    return head


def create_optimizer(recipe: TrainRecipe, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Return the optimiser that a recipe names, over groups of parameters with their rates."""
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, weight_decay=recipe.weight_decay, momentum=0.9, nesterov=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, weight_decay=recipe.weight_decay)


def running_mean(model: FractureClassifier, decay: float) -> AveragedModel:
    """Return an exponential running mean of weights and batch-norm statistics; its first update copies them.

    The `decay` is reached slowly, as (1 + n) / (10 + n) after n updates (TensorFlow's ExponentialMovingAverage): a
    short training would otherwise end in a mean of what it began with.
    """
    update = partial(_update, decay)  # by name, which processes that are started anew can find
    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    average.requires_grad_(False)
    return average


def _update(decay: float, averaged: Any, current: Any, count: Any) -> None:
    slowly = min(decay, (1 + int(count)) / (10 + int(count)))
    get_ema_multi_avg_fn(slowly)(averaged, current, count)  # type: ignore[no-untyped-call]


def cosine_share(step: int, *, steps: int, warmup: int, end: float = 0.01) -> float:
    """Return the share of the full rate at a step: up from 0 in `warmup` steps, then half a cosine down to `end`."""
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * done))


def validation_figures(logit: Tensor, label: Tensor) -> dict[str, float]:
    """Return loss, auroc, average_precision, sensitivity_at_specificity_90 and f1 (at 0.5) of val."""
    y_true, y_score = label.numpy().astype(np.int8), torch.sigmoid(logit).double().numpy()
    false_positive_rate, sensitivity, _ = roc_curve(y_true, y_score, drop_intermediate=False)
    return {
        "loss": float(nn.functional.binary_cross_entropy_with_logits(logit, label)),
        "auroc": float(roc_auc_score(y_true, y_score)),
        "average_precision": float(average_precision_score(y_true, y_score)),
        "sensitivity_at_specificity_90": float(sensitivity[false_positive_rate <= 0.10 + 1e-12].max()),
        "f1": float(f1_score(y_true, y_score >= 0.5, zero_division=0.0)),
    }


def _layout(image: Tensor) -> Tensor:
    # channels-last convolutions are faster on CPUs and GPUs alike
    return image.contiguous(memory_format=torch.channels_last)
