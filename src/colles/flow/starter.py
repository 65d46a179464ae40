"""A first recipe for unknown data: every choice follows from what was seen, and says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from colles.core.errors import InputError
from colles.core.records import Record
from colles.datasets.survey import Survey
from colles.evaluation.metrics.intervals import wilson

_FEW = 200  # fractures, below which val and test get a larger share
_LEAST = 10  # images of a class, below which there is nothing to learn or judge
_BALANCED = 0.35  # share of the rarer class from which no balancing is needed
_PASSES = 12_000  # images seen in training on a CPU: about an hour on two cores at 256 px
_LISTED = 20  # more classes than this are not written out where their names say it all
_LATER = "a safe choice: how many are fractured is not known before every class has its meaning"
_SIDES = (96, 128, 160, 192, 224, 256, 320, 384, 512)


class Choice(Record):
    """A setting, its value and the reason."""

    key: str
    value: object
    why: str


def choose(surveys: Sequence[Survey], *, gpu: bool) -> list[Choice]:
    """Choose settings for these sources; raise `InputError` where a class is missing or has too few images."""
    open_ = any(item.unclear for item in surveys)
    fractured, normal = _counts(surveys, open_)
    known = sum(item.images for item in surveys) if open_ else fractured + normal
    val, test, why_split = _shares(None if open_ else sum(item.fractured_groups for item in surveys))
    size, why_size = _size(surveys, gpu)
    epochs = max(5, min(25, round(_PASSES / (known * (1 - val - test))))) if not gpu else 25
    sampler, why_sampler = ("weighted", _LATER) if open_ else _sampler(fractured, normal)
    return [
        Choice(key="split.val", value=val, why="chooses the epoch, the thresholds and the calibration"),
        Choice(key="split.test", value=test, why=why_split),
        Choice(key="preprocess.size", value=size, why=why_size),
        Choice(
            key="model.name", value="efficientnet_lite0", why="its ImageNet weights come with colles, no hub needed"
        ),
        Choice(key="train.epochs", value=epochs, why="at most; stops earlier when val no longer gets better"),
        Choice(key="train.batch_size", value=32 if gpu else 16, why="fits the GPU" if gpu else "no GPU was found"),
        Choice(key="train.sampler", value=sampler, why=why_sampler),
    ]


def _counts(surveys: Sequence[Survey], unclear: bool) -> tuple[int, int]:
    fractured, normal = sum(item.fractured for item in surveys), sum(item.normal for item in surveys)
    if min(fractured, normal) < _LEAST and not unclear:
        repair = f"A class needs {_LEAST} images at least to train, and hundreds to be judged; add a source"
        unknown = sum(item.unknown for item in surveys)
        left = f", {unknown} are of unknown label" if unknown else ""
        if unknown and any(item.kind == "dicom" for item in surveys):
            repair = f"Labels of a dicom source stand in labels.csv in its folder (file, label). {repair}"
        text = f"{fractured} images are fractured and {normal} are not{left}"
        raise InputError(text, path=surveys[0].path, repair=repair)
    return fractured, normal


def _sampler(fractured: int, normal: int) -> tuple[str, str]:
    share = min(fractured, normal) / (fractured + normal)
    rare = f"the rarer class holds {share:.0%} of the images"
    if share >= _BALANCED:
        return "plain", f"{rare}: no balancing needed"
    return "weighted", f"{rare}: drawn more often"


def _shares(fractured: int | None) -> tuple[float, float, str]:
    val, test = (0.2, 0.25) if fractured is None or fractured < _FEW else (0.15, 0.2)
    if fractured is None:
        return val, test, _LATER
    count = max(1, round(fractured * test))
    low, high = wilson(0.85, count)
    what = "fracture" if count == 1 else "fractures"
    interval = f"a sensitivity of 0.85 will carry an interval of about {low:.2f}–{high:.2f}"
    return val, test, f"about {count} {what}, a patient or copy counted once: {interval}"


def _size(surveys: Sequence[Survey], gpu: bool) -> tuple[int, str]:
    sides = [item.longer_side for item in surveys if item.longer_side]
    most = 512 if gpu else 256
    if not sides:
        shown = f"{surveys[0].kind}={surveys[0].path}"
        repair = f"Are they images? colles catalog --source {shown} --out files.csv names each with its reason"
        raise InputError("none of the files looked at opens as an image", path=surveys[0].path, repair=repair)
    side = max(sides)
    size = max(allowed for allowed in _SIDES if allowed <= max(min(side, most), _SIDES[0]))
    limit = "as large as the images" if size >= side * 0.8 else "fractures are small: larger is better and slower"
    return size, f"the images are {side} px (median); {limit}"


def recipe_values(surveys: Sequence[Survey], choices: Sequence[Choice], name: str) -> dict[str, object]:
    """Return the plain values of the recipe."""
    return dict(yaml.safe_load(recipe_text(surveys, choices, name)))


def has_gpu() -> bool:
    """Tell whether an NVIDIA device is there, without loading torch."""
    return Path("/dev/nvidia0").exists()


def recipe_text(surveys: Sequence[Survey], choices: Sequence[Choice], name: str) -> str:
    """Write the recipe as YAML with the reason of every choice beside it."""
    chosen = {choice.key: choice for choice in choices}

    def line(key: str) -> str:
        choice = chosen[key]
        return f"  {key.split('.')[1]}: {choice.value}  # {choice.why}"

    sources = "\n".join(_source_text(item) for item in surveys)
    return f"""\
# Written by `colles init` after a look at the data. Every value can be changed; what is not here has a default that
# the run folder records. Run it: colles run THIS_FILE --out out/{name}
name: {json.dumps(name)}
seed: 0
data:
  sources:
{sources}
split:
{line("split.val")}
{line("split.test")}
preprocess:
{line("preprocess.size")}
  mean: [0.5, 0.5, 0.5]  # what these weights were trained with
  std: [0.5, 0.5, 0.5]
model:
{line("model.name")}
  weights: imagenet
train:
  head_epochs: 1
{line("train.epochs")}
{line("train.batch_size")}
  optimizer: adamw
  lr: 6.0e-4
  head_lr: 1.0e-3
  weight_decay: 0.02
  scheduler: onecycle  # warms up: without that the first epoch forgets the pretrained features
  patience: 5
{line("train.sampler")}
  augment: {{flip: 0.5, rotation: 15, translation: 0.05, scale: [0.85, 1.15], brightness: 0.2, contrast: 0.2}}
export:
  name: {json.dumps(name)}
"""


def _source_text(item: Survey) -> str:
    head = (
        f"    # {item.images} images: {item.fractured} fractured, {item.normal} not, {item.unknown} of unknown label\n"
        f"    - kind: {item.kind}\n      name: {json.dumps(item.name)}\n      path: {json.dumps(item.path)}"
    )
    if not item.classes or (len(item.classes) > _LISTED and not item.unclear):
        return head
    lines = [f"        {json.dumps(name)}: {_meaning(meaning)}" for name, meaning in item.classes.items()]
    return "\n".join([head, "      class_map:  # 1 fracture, 0 none, null unknown (left out)", *lines])


def _meaning(meaning: int | None) -> str:
    return "null  # TO DO: 1 or 0?" if meaning is None else str(meaning)
