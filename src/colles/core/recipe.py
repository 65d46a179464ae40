"""The recipe: every setting of a run, one frozen section a stage, with YAML as its text form.

Precedence: defaults here < the YAML file < `--set section.key=value`. Stages take their own section, never the whole.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from colles.core.recipe_data import DataRecipe as DataRecipe
from colles.core.recipe_data import PhantomRecipe as PhantomRecipe
from colles.core.recipe_data import SourceRecipe as SourceRecipe
from colles.core.recipe_sweep import SweepRecipe as SweepRecipe
from colles.core.recipe_train import AugmentRecipe as AugmentRecipe
from colles.core.recipe_train import TrainRecipe as TrainRecipe
from colles.core.section import LARGEST_SEED, Section, Seed, Share

RobustnessKind = Literal["noise", "blur", "jpeg", "rotation", "inversion", "underexposure", "overexposure"]

RECIPE_VERSION = 1


class AuditRecipe(Section):
    """When two files count as copies of one radiograph."""

    hash_distance: int = Field(default=20, ge=0, le=64)
    """Candidates: perceptual hashes (255 bits) that differ in at most so many bits; strangers differ in 32 and more."""
    min_correlation: float = Field(default=0.86, ge=0.5, le=1.0)
    """Confirmed where the fine structure of the median block of the aligned pixels correlates at least so well."""


class SplitRecipe(Section):
    """Train, val and test by group."""

    val: Share = 0.15
    """Share of the images for choosing: epochs, thresholds, calibration."""
    test: Share = 0.15
    """Share of the images for judging, once."""
    seed: Seed = 0
    """Another seed gives another division of the same groups."""
    block: int = Field(default=10, ge=1)
    """Neighbouring file numbers kept together where a source has neither patient ids nor a folder a person."""
    person_folders: bool = True
    """Keep the images of a folder together where a source without ids seems to give each person a folder, else those
    whose names begin alike (`P012_1`, `P012_2`)."""
    max_group_share: Share = 0.05
    """No group holds more than this share of the images; bridging copies are quarantined instead."""
    evaluation_copies: Literal["one", "all"] = "one"
    """Copies of one radiograph, by name or found by the audit, that are judged in val and test."""
    external: tuple[str, ...] = ()
    """Sources held out whole: they become the subset `external`."""
    keep: str | None = None
    """An older split.csv whose images stay where they are; new images are added around them. Relative to the recipe's
    folder."""
    folds: int = Field(default=0, ge=0, le=20)
    """0, or the number of parts of which each is test once and the next one val; `val` and `test` do not count then."""
    fold: int = Field(default=0, ge=0)
    """Which part is test, from 0."""

    @model_validator(mode="after")
    def _leaves_room_for_train(self) -> SplitRecipe:
        if self.val + self.test >= 1.0:
            raise ValueError("val + test must be below 1")
        if self.folds in (1, 2):
            raise ValueError("folds must be 0, or at least 3: one part each for test and val, the rest for train")
        if self.fold and self.fold >= self.folds:
            raise ValueError(f"fold {self.fold} is none of {self.folds} folds, which are numbered from 0")
        return self


class OrganizeRecipe(Section):
    """The merged folders of images (off by default)."""

    enabled: bool = False
    """Write the folders of `colles organize` as a stage of `colles run`."""
    link: Literal["hard", "sym", "copy"] = "hard"
    """Hard links where the disk allows them, symbolic links, or copies."""


class PreprocessRecipe(Section):
    """The pixels' path from file to network; it travels with the weights."""

    size: int = Field(default=224, ge=32, le=2048)
    """Side of the square canvas in pixels."""
    fit: Literal["letterbox", "stretch"] = "letterbox"
    """`letterbox` keeps the proportions and pads with black; `stretch` fills the canvas."""
    channels: Literal[1, 3] = 3
    """1, or 3 equal ones."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Subtracted after scaling to 0–1. Default: ImageNet's."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Divisor of each channel after `mean` was subtracted, on the scale 0–1."""

    @model_validator(mode="after")
    def _one_value_a_channel(self) -> PreprocessRecipe:
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"mean and std need {self.channels} values each")
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        return self


def _switch(value: object) -> object:
    # YAML 1.1 reads a bare `on` or `off` as true or false
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


NAMED_WEIGHTS = ("imagenet", "lite0", "none")
"""What `model.weights` can say besides a file."""


class ModelRecipe(Section):
    """Which network, and what its weights start from."""

    name: str = "efficientnet_lite0"
    """A name of the registry, or `timm:NAME`."""
    weights: str = "imagenet"
    """`imagenet`, `lite0` (its ImageNet weights in the layers of efficientnet_b0), `none`, or a .safetensors file,
    a run or a bundle, relative to the folder that the command is given in."""
    dropout: Share = 0.2
    """Share of the embedding that is left out while the head learns."""
    location: Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch)] = "auto"
    """A head that learns from boxes where fractures are; `auto` has it where train has boxes and the network can."""
    location_stride: Literal[8, 16] = 16
    """Canvas pixels a cell of that head's map."""
    second_look: Annotated[Literal["on", "off"], BeforeValidator(_switch)] = "off"
    """A copy that looks closer at the places that a finished network proposes; `weights` names that one, with its
    location head, and it stays as it is."""


class EvaluateRecipe(Section):
    """Intervals and operating points."""

    level: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Coverage of the intervals of scores; those of maps are of 0.95."""
    replicates: int = Field(default=2000, ge=100)
    """Bootstrap replicates over groups."""
    seed: Seed = 0
    """Of the bootstrap."""
    rule_out_sensitivity: Share = 0.95
    """Sensitivity on val that the threshold `rule_out` has to reach."""
    rule_in_specificity: Share = 0.95
    """Specificity on val that the threshold `rule_in` has to reach."""
    cost_ratio: float | None = Field(default=None, gt=0)
    """Adds the operating point `cost`: one missed fracture is as bad as so many false alarms."""
    calibration: Literal["platt", "temperature", "isotonic", "none"] = "platt"
    """How scores become probabilities, fitted on val."""
    prevalence: float | None = Field(default=None, gt=0, lt=1)
    """Share of fractures where the model will work, if other than in val; moves probabilities, not decisions."""


class RobustnessRecipe(Section):
    """The test images made worse, and scored again by the trained model."""

    enabled: bool = False
    """Costs a pass over the chosen images a condition: 19 with all kinds and strengths."""
    kinds: tuple[RobustnessKind, ...] = (
        "noise", "blur", "jpeg", "rotation", "inversion", "underexposure", "overexposure",
    )  # fmt: skip
    """Changes of the test images under which the model is judged again."""
    strengths: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)
    """1 mild, 2 plain, 3 strong."""
    images: int | None = Field(default=300, ge=10)
    """At most so many test images, drawn by seed; null takes all."""
    seed: Seed = 0
    """Of the images drawn and of the noise."""


class ExplainRecipe(Section):
    """Heat maps for the report."""

    methods: tuple[str, ...] = ("auto", "input_gradient")
    """Drawn and judged; `auto` is the model's own location map where it has one, else Grad-CAM."""
    per_outcome: int = Field(default=3, ge=1)
    """Images of each of TP, FP, FN and TN, drawn by seed from test."""
    worst: int = Field(default=6, ge=0)
    """And so many of the worst: false alarms with the highest scores, missed fractures with the lowest."""
    seed: Seed = 0
    """Of every drawing of images and places."""
    score_images: int = Field(default=400, ge=0)
    """Fractures with boxes, at most, that maps are judged on in test (and as many others for false candidates)."""
    sample: int = Field(default=50, ge=1)
    """Images that slow methods (occlusion, Score-CAM, SmoothGrad, integrated gradients) see, drawn by seed."""
    check_images: int = Field(default=12, ge=0)
    """Fractures of the sanity checks, drawn by seed. 0 leaves out the checks."""
    probe_images: int = Field(default=48, ge=0)
    """Images of each label that the shortcut probes see, drawn by seed: not every picture has a marker. 0 leaves them
    out."""


class ExportRecipe(Section):
    """The bundle."""

    name: str | None = None
    """The recipe's name where it is not given."""
    half: bool = False
    """Keep the weights in 16 bits, and compute with them in 32: half the size, scores that differ by the rounding."""
    tolerance: float = Field(default=1e-4, gt=0)
    """Largest difference of probability between checkpoint and ONNX that passes."""
    parity_images: int = Field(default=64, ge=1)
    """Images, of all kinds of files, that bundle and checkpoint are compared on; fewer where the run scored fewer."""
    gate: bool = True
    """Refuse pictures unlike the training images."""
    false_refusals: Share = 0.01
    """Share of val images that the gate may refuse."""
    int8: bool = True
    """Add an 8-bit network where it hardly changes an answer."""
    int8_images: int = Field(default=128, ge=1)
    """Training images that the ranges are taken from."""
    int8_auroc_fall: float = Field(default=0.005, gt=0)
    """The 8-bit network is left out where AUROC on val falls by so much or more."""
    int8_flips: Share = 0.01
    """… or where more than this share of the decisions on val differ."""
    companion_images: int = Field(default=1000, ge=1)
    """Images of train, and of val, looked at for the gate and the 8-bit network, at most."""


class Recipe(Section):
    """All settings of a run."""

    recipe_version: int = Field(default=RECIPE_VERSION, ge=1, le=RECIPE_VERSION)
    """The form of the recipe; raised when a key changes its name or meaning."""
    name: str = "colles"
    """Shown in reports and cards."""
    seed: Seed = 0
    """Of training: weights, order, augmentation."""
    data: DataRecipe = DataRecipe()
    """Which radiographs."""
    audit: AuditRecipe = AuditRecipe()
    """When files count as copies."""
    split: SplitRecipe = SplitRecipe()
    """Train, val and test."""
    organize: OrganizeRecipe = OrganizeRecipe()
    """Folders for other programs."""
    preprocess: PreprocessRecipe = PreprocessRecipe()
    """From file to network input."""
    model: ModelRecipe = ModelRecipe()
    """Which network, from which weights."""
    train: TrainRecipe = TrainRecipe()
    """How it learns."""
    evaluate: EvaluateRecipe = EvaluateRecipe()
    """How it is judged."""
    robustness: RobustnessRecipe = RobustnessRecipe()
    """How it is judged on worse images."""
    explain: ExplainRecipe = ExplainRecipe()
    """Which heat maps, and on which images."""
    export: ExportRecipe = ExportRecipe()
    """What its bundle holds."""
    sweep: SweepRecipe = SweepRecipe()
    """What a search tries."""

    def networks(self) -> dict[str, str]:
        """Return the paths of the networks that a training starts from and learns from, by what they are to it."""
        weights = self.model.weights
        own = {} if weights in NAMED_WEIGHTS else {"model.weights": weights}
        return own | {f"train.teachers {path}": path for path in self.train.teachers}

    @model_validator(mode="after")
    def _can_grow(self) -> Recipe:
        if self.train.progressive and self.model.name == "simple_cnn":
            raise ValueError(
                "simple_cnn takes images of one size: leave train.progressive out, or choose another network"
            )
        return self

    @model_validator(mode="after")
    def _has_so_many_seeds(self) -> Recipe:
        if self.seed + self.train.seeds - 1 > LARGEST_SEED:
            raise ValueError(f"train.seeds counts on from seed, of which {LARGEST_SEED} is the largest")
        return self
