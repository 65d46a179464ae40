"""The model card: a bundle's metadata in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colles.core.records import Estimate
from colles.serving.metadata import BundleMetadata

LIMITS = (
    "Research software, not a medical device. No answer may decide on the care of a patient.",
    "The figures hold for radiographs like those it was tested on. Other devices, views, body parts and ages are "
    "untested unless they are named above.",
    "A low score does not exclude a fracture; a heat map shows what moved the score, not where the bone is broken.",
    "It does not tell whether a picture is a radiograph of a bone at all.",
)


def model_card(metadata: BundleMetadata) -> str:
    """Write the card as Markdown, from the metadata alone."""
    sections = (
        _header(metadata),
        _data(metadata),
        _figures(metadata),
        _thresholds(metadata),
        _parity(metadata),
        "## Limits\n" + "\n".join(f"- {limit}" for limit in LIMITS),
        "## Licence\nApache-2.0, see LICENSE. The data that it learned from has licences of its own.",
    )
    return "\n\n".join(sections) + "\n"


def _header(metadata: BundleMetadata) -> str:
    model, pixels = metadata.model, metadata.preprocessing
    return "\n".join(
        [
            f"# {metadata.name}",
            "",
            f"Version {metadata.version}. Scores a radiograph for fracture with the network {model.get('name')}.",
            "",
            "## Intended use",
            metadata.intended_use,
            "",
            "## Network",
            f"- Architecture: `{model.get('name')}`, {_count(model.get('parameters'))} parameters.",
            f"- Weights started from: {metadata.training.get('weights_from', 'unknown')}.",
            f"- Input: grey canvas of {pixels.size} × {pixels.size} pixels ({pixels.fit}), "
            f"{pixels.channels} equal channels, mean {list(pixels.mean)}, deviation {list(pixels.std)}.",
        ]
    )


def _data(metadata: BundleMetadata) -> str:
    training = metadata.training
    rows = [
        f"| {source['name']} | {source['images']} | {source['fractures']} |" for source in training.get("sources", [])
    ]
    table = ["| source | images | fractures |", "|---|---|---|", *rows] if rows else ["Sources: not recorded."]
    digests = [
        f"- {name.replace('_', ' ')}: `{training[name]}`"
        for name in ("catalog_digest", "split_digest", "recipe_digest")
        if training.get(name)
    ]
    return "\n".join(["## Data", *table, "", *digests]).rstrip()


def _figures(metadata: BundleMetadata) -> str:
    if metadata.evaluation is None:
        return "## How well it does\nNot evaluated on a test set: nothing is known."
    found = metadata.evaluation
    counts = f"{found.get('n')} images of {found.get('n_groups')} groups, {found.get('n_positive')} with a fracture"
    lines = [
        "## How well it does",
        f"On `{found.get('subset')}`: {counts}. In brackets the {_level(found)} intervals.",
        "",
    ]
    lines += ["| figure | value |", "|---|---|", *_rows(found.get("figures", {}))]
    for name, figures in found.get("operating_points", {}).items():
        lines += ["", f"At the operating point `{name}`:", "", "| figure | value |", "|---|---|", *_rows(figures)]
    return "\n".join(lines)


def _level(found: Mapping[str, Any]) -> str:
    levels = sorted({float(figure["level"]) for figure in found.get("figures", {}).values()})
    return " and ".join(f"{100 * level:g} %" for level in levels)


def _rows(figures: Mapping[str, Any]) -> list[str]:
    return [f"| {name.replace('_', ' ')} | {Estimate.model_validate(value)} |" for name, value in figures.items()]


def _thresholds(metadata: BundleMetadata) -> str:
    lines = ["## Thresholds", "On the score. Below `rule_out`: no fracture; at or above `rule_in`: fracture."]
    lines += ["", "| operating point | threshold | criterion | chosen on |", "|---|---|---|---|"]
    for point in metadata.operating_points.values():
        missed = "" if point.reached else " (not reached)"
        lines.append(f"| {point.name} | {point.threshold:.4f} | {point.criterion}{missed} | {point.chosen_on} |")
    calibration = metadata.calibration
    if calibration is None:
        return "\n".join([*lines, "", "The probability is the score: no calibration."])
    told = f"{calibration.method}, slope {calibration.slope:.4f}, intercept {calibration.intercept:.4f}"
    return "\n".join([*lines, "", f"Calibration: {told}, fitted on {calibration.fitted_on or 'val'}."])


def _parity(metadata: BundleMetadata) -> str:
    found = metadata.parity
    if not found:
        return "## Same as the trained model\nNot checked."
    return "\n".join(
        [
            "## Same as the trained model",
            f"On {found.get('images')} images of the data, the largest difference of probability was "
            f"{found.get('max_difference_to_checkpoint', 0):.1e} between ONNX and the checkpoint and "
            f"{found.get('max_difference_to_predictions', 0):.1e} between this bundle, from the file on, and the "
            f"training run. Allowed: {found.get('tolerance', 0):.0e}.",
        ]
    )


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "unknown"
