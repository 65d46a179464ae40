"""The recipe's section of a training, with the augmentations by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from colles.core.section import Section, Share


class AugmentRecipe(Section):
    """Random changes of the training images (never of val or test)."""

    flip: Share = 0.5
    """Probability of a horizontal flip."""
    rotation: float = Field(default=10.0, ge=0, le=180)
    """Degrees either way."""
    translation: Share = 0.0
    """Largest shift along each axis, as a share of the canvas."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest factor of size, above 0."""
    brightness: float = Field(default=0.1, ge=0)
    """Grey values times a factor between 1 − brightness and 1 + brightness."""
    contrast: float = Field(default=0.1, ge=0)
    """Distances from the mean grey times a factor between 1 − contrast and 1 + contrast."""
    noise: float = Field(default=0.02, ge=0)
    """Largest standard deviation of Gaussian noise, as a share of full scale; each image draws its own from 0 on."""
    jpeg: Share = 0.0
    """Probability of storing the image as a JPEG of quality 10 to 70."""
    quarter_turn: Share = 0.0
    """Probability of a turn by 90°, 180° or 270°."""
    gamma: float = Field(default=0.0, ge=0, lt=1)
    """Exponent between 1 − gamma and 1 / (1 − gamma)."""
    blur: Share = 0.0
    """Probability of a Gaussian blur."""
    invert: Share = 0.0
    """Probability of swapping dark and bright."""
    cut_out: Share = 0.0
    """Probability of one to three grey rectangles; none covers a fracture's centre."""
    collimation: Share = 0.0
    """Probability of simulated shutters, black around a turned rectangle that holds all fractures' centres."""

    @model_validator(mode="after")
    def _grows_from_small_to_large(self) -> AugmentRecipe:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError("scale needs a smallest factor above 0 and a largest that is not below it")
        return self


PRESETS: dict[str, dict[str, Any]] = {
    "none": {"flip": 0.0, "rotation": 0.0, "brightness": 0.0, "contrast": 0.0, "noise": 0.0},
    "practicum": {},
    "strong": {
        "rotation": 30.0,
        "translation": 0.08,
        "scale": [0.82, 1.35],
        "quarter_turn": 0.1,
        "brightness": 0.25,
        "contrast": 0.25,
        "gamma": 0.3,
        "blur": 0.2,
        "invert": 0.03,
        "noise": 0.04,
        "jpeg": 0.2,
        "cut_out": 0.2,
        "collimation": 0.2,
    },
}
"""Augmentations by name: no change, the practicum's (flip, ±10°, colour jitter, noise), and all there is."""


def _preset(value: object) -> object:
    if isinstance(value, str):
        value = {"preset": value}
    if not isinstance(value, dict) or "preset" not in value:
        return value
    name = value["preset"]
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"unknown augmentation {name!r}; known: {', '.join(PRESETS)}")
    return {**PRESETS[name], **{key: given for key, given in value.items() if key != "preset"}}


# These change how fast a training runs and how long it may, not what the next epoch does.
FREE = {"device", "threads", "workers", "allocator", "retries", "strict", "max_bad_share"}


class TrainRecipe(Section):
    """Two stages: the head alone on a frozen backbone, then all layers."""

    mode: Literal["full", "quick", "skip"] = "full"
    """`quick` shortens both stages to a look (one epoch and two, a quarter of the images); `skip` takes the weights
    that the run folder has and scores again, on the division they were trained with."""
    folds: int = Field(default=0, ge=0, le=1000)
    """Cross-validation by group: so many trainings on train and val, each judged on what it has not seen."""
    seeds: int = Field(default=1, ge=1, le=1000)
    """So many trainings that differ in their seed alone; their mean is the model."""
    head_epochs: int = Field(default=1, ge=0)
    """Epochs of the first stage, in which the head learns alone; skipped at 0 and for random weights."""
    epochs: int = Field(default=25, ge=0)
    """At most so many epochs of the second stage."""
    freeze_backbone: bool = False
    """True leaves the backbone frozen in the second stage too."""
    last_stages: int | None = Field(default=None, ge=1)
    """Only so many stages of the backbone, from its end, learn in the second stage; all where it is not given."""
    unfreeze_every: int = Field(default=0, ge=0)
    """Gradual unfreezing: after so many epochs one stage more learns, from `last_stages` (else one) on; 0: never."""
    batch_size: int = Field(default=32, ge=1)
    """Images a step, of all processes together."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """`sgd` has Nesterov momentum of 0.9."""
    lr: float = Field(default=1e-4, gt=0)
    """Largest learning rate of the backbone."""
    head_lr: float = Field(default=1e-3, gt=0)
    """Of the head while it learns alone."""
    new_layers_lr: float | None = Field(default=None, gt=0)
    """Of head and map beside the backbone's `lr` in the second stage; `lr` where it is not given."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Strength of the optimiser's weight decay."""
    scheduler: Literal["plateau", "onecycle", "cosine", "none"] = "plateau"
    """`plateau` divides the rate by 10 where `monitor` no longer improves; the others go by the step."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps in which the rate of `cosine` rises from 0; it ends at 1 %."""
    clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay, reached slowly, of a running mean of the weights, which is what is judged and kept; none if not given."""
    plateau_patience: int = Field(default=2, ge=0)
    """Epochs without a better `monitor` before `plateau` acts."""
    patience: int = Field(default=5, ge=1)
    """Epochs without a better `monitor` on val before the second stage stops."""
    monitor: Literal["auroc", "average_precision", "sensitivity_at_specificity_90", "f1", "loss"] = "auroc"
    """Figure on val that the best epoch is chosen by. Recall alone is none: an epoch that calls
    every image a fracture would be best by it."""
    sampler: Literal["plain", "weighted", "oversample", "balanced_batches"] = "weighted"
    """Each once; even in expectation, with replacement; the rarer class repeated; as that, half of every batch."""
    copies: Literal["one", "all"] = "one"
    """Augmented copies of one base name drawn each epoch: one at random, or all."""
    negatives: float | None = Field(default=None, gt=0)
    """At most so many non-fractured images a fractured one of the same source, drawn anew each epoch."""
    loss: Literal["bce", "weighted_bce", "focal"] = "bce"
    """Cross-entropy, the same with fractures weighted by their rarity, or focal loss."""
    focal_gamma: float = Field(default=2.0, ge=0)
    """Exponent of the focal loss; 0 is plain cross-entropy."""
    random_labels: bool = False
    """Shuffle labels and boxes among the training images: the twin that heat maps are checked against (Adebayo et al.
    2018, arXiv:1810.03292, section 3.2), never a model."""
    prior_correction: bool = True
    """Move the trained scores back to the share of fractures in train, where drawing or weighting taught another."""
    mixup: float = Field(default=0.0, ge=0)
    """Pictures blended in pairs, by shares of a Beta distribution with this parameter; 0: none."""
    label_smoothing: Share = 0.0
    """Labels become s / 2 and 1 − s / 2."""
    teachers: tuple[str, ...] = ()
    """Run folders, bundles or checkpoints whose mean answers are learned beside the labels (distillation), relative
    to the folder that the command is given in."""
    teacher_weight: Share = 0.5
    """Of the teachers' answers; the labels have the rest."""
    location_weight: float = Field(default=0.5, ge=0)
    """Of the map's loss beside the image label's."""
    part_weight: float = Field(default=0.0, ge=0)
    """Of the loss of a head that tells the body part, beside the image label's: in the second stage, for images whose
    part the catalog names. It is there for what the features learn by it, and is not kept; 0: no such head."""
    canvas: int | None = Field(default=None, ge=32, le=4096)
    """Side of the training canvases, from which augmentation cuts `preprocess.size`; the same where it is not given."""
    progressive: tuple[Annotated[int, Field(ge=32, le=2048, multiple_of=32)], ...] = ()
    """Sizes of the training images, spread over the epochs of the second stage, in place of `preprocess.size`."""
    augment: Annotated[AugmentRecipe, BeforeValidator(_preset)] = AugmentRecipe()
    """A table, or the name of a preset: none, practicum, strong; `{preset: strong, rotation: 10}` changes one."""
    strict: bool = False
    """True stops at the first broken file; False substitutes a placeholder of weight 0 and lists it."""
    max_bad_share: Share = 0.05
    """A training with a larger share of broken files stops."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    precision: Literal["auto", "single", "bfloat16"] = "auto"
    """Of the network's arithmetic while it learns: `auto` halves it on a GPU; `bfloat16` does on a processor too, where
    one with AMX computes plain convolutions twice as fast by it, and depthwise ones half as fast."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Of torch on a CPU; None takes OMP_NUM_THREADS, else one a core that the process may use."""
    processes: int = Field(default=1, ge=1)
    """Training processes that share each batch out: one a GPU, or several on the CPU (gloo), each with one thread."""
    engine: Literal["local", "ray"] = "local"
    """`ray` shares the processes out over the machines of the cluster that RAY_ADDRESS names; the run folder and the
    images have to lie on a disk that all of them see."""
    retries: int = Field(default=2, ge=0)
    """With `ray`: so often a training whose machine is lost goes on from its last finished epoch."""
    workers: int = Field(default=0, ge=0, le=1024)
    """Loading processes beside the training one; the cache makes 0 fast enough on few cores."""
    allocator: bool = True
    """On a CPU keep large allocations mapped (see docs/decisions.md); worth a factor of about two."""

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide what is learned, as JSON; the others say how fast, and how far it may go."""
        return self.model_dump(mode="json", exclude=FREE)

    @field_validator("folds")
    @classmethod
    def _more_than_one(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("must be 0 (none) or at least 2")
        return folds

    @model_validator(mode="after")
    def _one_kind_of_many(self) -> TrainRecipe:
        if self.folds and self.seeds > 1:
            raise ValueError("folds and seeds do not go together: set one of them")
        return self

    @model_validator(mode="after")
    def _can_be_shared(self) -> TrainRecipe:
        if self.batch_size % self.processes:
            raise ValueError(f"a batch of {self.batch_size} cannot be shared by {self.processes} processes")
        if self.processes > 1 and self.unfreeze_every:
            raise ValueError("gradual unfreezing needs one process, since they agree at the start on what learns")
        return self
