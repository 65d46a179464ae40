"""The model card: a bundle's metadata in words, in the sections that model hubs expect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colles.core.records import Estimate
from colles.reporting.formats import threshold
from colles.serving.card_header import front_matter
from colles.serving.metadata import BundleMetadata

LIMITS = (
    "Research software, not a medical device. No answer may decide on the care of a patient.",
    "The figures hold for radiographs like those it was tested on. Other devices, views, body parts and ages are "
    "untested unless the figures name them.",
    "A low score does not exclude a fracture; a heat map shows what moved the score, not where the bone is broken.",
    "It does not tell whether a picture is a radiograph of a bone at all.",
)
GATED = (
    "It refuses pictures unlike the radiographs it learned from; its limit was set to refuse one in a hundred of val. "
    "What it lets through may still be no radiograph of a bone."
)
"""Stands for the last limit where the bundle has a gate."""
EXTERNAL = "With the thresholds chosen on val, and everything answered, whatever the gate says."
"""How the figures on a set that it never saw came about."""


def model_card(metadata: BundleMetadata, *, weights_alone: bool = False) -> str:
    """Write the card as Markdown with a YAML front matter, from the metadata alone.

    With `weights_alone` it says how to make the network that the bundle lacks.
    """
    sections = (
        front_matter(metadata),
        _details(metadata),
        _uses(metadata),
        "## Bias, risks and limitations\n" + "\n".join(f"- {limit}" for limit in limits_of(metadata)),
        _start(metadata, weights_alone),
        _training(metadata),
        _recalibrated(metadata),
        _figures(metadata),
        _subgroups(metadata),
        _external(metadata),
        _thresholds(metadata),
        _parity(metadata),
        "## Licence\nApache-2.0, see LICENSE. What it learned from has terms of its own: see Training details.",
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def limits_of(metadata: BundleMetadata) -> tuple[str, ...]:
    """Return what the answers of a bundle do not say, a sentence or two each."""
    return LIMITS if metadata.gate is None else (*LIMITS[:-1], GATED)


def _details(metadata: BundleMetadata) -> str:
    model, pixels = metadata.model, metadata.preprocessing
    shown = model.get("map") or ("class_activation" if model.get("has_cam") else None)
    heat = f" and a {str(shown).replace('_', ' ')} map" if shown else ""
    stored = " in 16 bits, computed with in 32" if model.get("weight_bits") == 16 else ""
    again = " with a second look at the places that its map proposes" if model.get("second_look") else ""
    parameters = _count(model.get("parameters"))
    teachers = ", ".join(metadata.training.get("teachers") or ())
    return "\n".join(
        [
            f"# {metadata.name}",
            "",
            f"Version {metadata.version}. Scores a radiograph for fracture with the network {model.get('name')}.",
            "",
            "## Model details",
            f"- Architecture: `{model.get('name')}`{again}, {parameters} parameters{stored}, as ONNX.",
            f"- Weights started from: {metadata.training.get('weights_from', 'unknown')}.",
            *([f"- Learned, beside the labels, the answers of other networks: {teachers}."] if teachers else []),
            f"- Input: grey canvas of {pixels.size} × {pixels.size} pixels ({pixels.fit}), "
            f"{_channels(pixels.channels)}, mean {list(pixels.mean)}, SD {list(pixels.std)}; made by the bundle.",
            f"- Output: a score and a probability (0 to 1), a decision (fracture, no fracture, uncertain){heat}.",
            "- Uncertain is a score between the thresholds `rule_out` and `rule_in`: no answer, somebody has to look.",
        ]
    )


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} equal channels"


def _uses(metadata: BundleMetadata) -> str:
    return "\n".join(
        [
            "## Uses",
            "### Direct use",
            metadata.intended_use,
            "",
            "### Out of scope",
            "Diagnosis, triage or discharge of a patient; anything but plain radiographs of bones; children, of whom "
            "no figure is known; body parts that the training data do not hold.",
        ]
    )


def _start(metadata: BundleMetadata, weights_alone: bool) -> str:
    first = [
        "This bundle holds weights in 16 bits and no network that answers. Make one (it needs `colles[train]`):",
        f"`colles export path/to/{metadata.name} --out answers/{metadata.name}`; then, with that one:",
    ]
    return "\n".join(
        [
            "## How to get started",
            *(first if weights_alone else []),
            "```python",
            "import colles",
            "",
            f'print(colles.load_bundle("path/to/{metadata.name}").predict("wrist.jpg"))',
            "```",
            f"Or `colles predict wrist.jpg --bundle path/to/{metadata.name} --out answers.csv`.",
        ]
    )


def _training(metadata: BundleMetadata) -> str:
    training = metadata.training
    sources = training.get("sources", [])
    rows = [
        f"| {source['name']} | {source['images']} | {source['fractures']} | {source.get('train', 'not recorded')} |"
        for source in sources
    ]
    about = [f"- {source['name']}: {source['about']}" for source in sources if source.get("about")]
    table = (
        ["| source | images | fractures | of the images, for training |", "|---|---|---|---|", *rows]
        if rows
        else ["Sources: not recorded."]
    )
    simulated = ["All radiographs were simulated (phantoms): the figures say nothing of patients.", ""]
    digests = [
        f"- {name.replace('_', ' ')}: `{training[name]}`"
        for name in ("catalog_digest", "split_digest", "recipe_digest")
        if training.get(name)
    ]
    told = "Every setting of the training is in `recipe.yaml`; the split is by patient, study or copy."
    if training.get("joined"):
        told += (
            f" Its weights are the mean of those of {training['joined']} networks, each of which learned from a part of"
            " val too; thresholds and calibration were chosen on the scores of those that had not seen the image. Its"
            " gate and its int8 network were judged on images of val."
        )
    elif training.get("out_of_fold"):
        told += (
            " It is the mean of the networks of a cross-validation, all but one of which learned from any image of val:"
            " its gate and its int8 network were judged on such images."
        )
    parts = ["## Training details", *(simulated if training.get("simulated") else []), *table, ""]
    parts += [*([*about, ""] if about else []), told, "", *digests]
    return "\n".join(parts).rstrip()


def _recalibrated(metadata: BundleMetadata) -> str:
    origin = metadata.training.get("recalibrated")
    if not origin:
        return ""
    refused = f", {origin['refused']} more were refused by its gate and left out" if origin.get("refused") else ""
    known = origin.get("learned_from")
    flattered = (
        f" It had learned from {known} or more of {origin['looked_at']} looked at: they flatter." if known else ""
    )
    return (
        "## Recalibrated\n"
        f"Thresholds and calibration were chosen anew on {origin.get('images')} labelled images of one site, "
        f"{origin.get('fractures')} with a fracture{refused}. The weights are those of `{origin.get('from')}`. The "
        "figures below are of these images alone, each judged by thresholds and a calibration that other groups chose: "
        "of the data that it learned from, and of any other site, they say nothing."
        f"{flattered}"
    )


def _figures(metadata: BundleMetadata) -> str:
    if metadata.evaluation is None:
        return "## Evaluation\nNot evaluated on a test set: nothing is known."
    found = metadata.evaluation
    own = own_points(metadata)
    told = f"The figures at {', '.join(own)} flatter: this subset chose those thresholds itself."
    # A site's figures are without what the gate refuses, those of a run's test set are made before there is a gate.
    gated = metadata.gate is not None and not metadata.training.get("recalibrated")
    first = ["The figures are of all images, also of those that the gate would refuse."] if gated else []
    return "\n".join(["## Evaluation", *first, *_figure_lines(found), *(["", told] if own else [])])


def own_points(metadata: BundleMetadata) -> list[str]:
    """Return the operating points whose threshold was chosen on the images that judged them: their figures flatter."""
    subset = (metadata.evaluation or {}).get("subset")
    return [name for name, point in metadata.operating_points.items() if point.chosen_on == subset]


def _external(metadata: BundleMetadata) -> str:
    if metadata.external is None:
        return ""
    return "\n".join(["### On a set that it never saw", EXTERNAL, *_figure_lines(metadata.external)])


def _figure_lines(found: Mapping[str, Any]) -> list[str]:
    counts = f"{found.get('n')} images of {found.get('n_groups')} groups, {found.get('n_positive')} with a fracture"
    lines = [f"On `{found.get('subset')}`: {counts}. In brackets the {_level(found)} intervals.", ""]
    lines += ["| figure | value |", "|---|---|", *_rows(found.get("figures", {}))]
    points = found.get("operating_points") or {}
    if points:
        lines += [
            "",
            "At the operating points:",
            "",
            f"| figure | {' | '.join(points)} |",
            "|---" * (len(points) + 1) + "|",
        ]
        lines += _point_rows(points)
    return lines


def _point_rows(points: Mapping[str, Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for figures in points.values() for name in figures)
    return [
        f"| {name.replace('_', ' ')} | "
        + " | ".join(str(Estimate.model_validate(f[name])) if name in f else "–" for f in points.values())
        + " |"
        for name in names
    ]


def _subgroups(metadata: BundleMetadata) -> str:
    groups = (metadata.evaluation or {}).get("subgroups") or ()
    if not groups:
        return ""
    lines = ["### Subgroups", "| subgroup | images | fractured | AUROC | |", "|---|---|---|---|---|"]
    for group in groups:
        auroc = (group.get("figures") or {}).get("auroc")
        told = "–" if auroc is None else str(Estimate.model_validate(auroc))
        name = f"{str(group.get('column')).replace('_', ' ')}: {group.get('value')}"
        lines.append(
            f"| {name} | {group.get('n')} | {group.get('n_positive')} | {told} | {group.get('warning') or ''} |"
        )
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
        lines.append(
            f"| {point.name} | {threshold(point.threshold, 4)} | {point.criterion}{missed} | {point.chosen_on} |"
        )
    calibration = metadata.calibration
    if calibration is None:
        return "\n".join([*lines, "", "The probability is the score: no calibration."])
    told = f"{calibration.method}, slope {calibration.slope:.4f}, intercept {calibration.intercept:.4f}"
    return "\n".join([*lines, "", f"Calibration: {told}, fitted on {calibration.fitted_on or 'val'}."])


def _parity(metadata: BundleMetadata) -> str:
    found = metadata.parity
    if not found:
        return "## Same as the trained model\nNot checked."
    allowed = found.get("tolerance_to_predictions")
    rounded = (
        "" if allowed is None else f", and {allowed:g} to the training run, since the weights are rounded to 16 bits"
    )
    return "\n".join(
        [
            "## Same as the trained model",
            f"On {found.get('images')} images of the data, the largest difference of probability was "
            f"{found.get('max_difference_to_checkpoint', 0):.1e} between ONNX and the checkpoint and "
            f"{found.get('max_difference_to_predictions', 0):.1e} between this bundle, from the file on, and the "
            f"training run. Allowed: {found.get('tolerance', 0):.0e}{rounded}.",
        ]
    )


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "unknown"
