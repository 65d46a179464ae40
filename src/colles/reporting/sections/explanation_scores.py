"""Whether the heat maps point at fractures: scores against boxes, against chance, and whether they are sane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from colles.reporting.blocks import Block, Figures, Heading, Note, Table, Text
from colles.reporting.figures.forest import ForestRow, forest_plot
from colles.reporting.formats import count, estimate, number
from colles.reporting.sections.explanation_parts import part_blocks, title_of

_FIGURES = {
    "pointing": "Peak in a box",
    "pointing_margin": "Peak near a box",
    "share_of_mass": "Mass in boxes",
    "energy_pointing": "Half the mass inside",
    "iou": "IoU",
    "auprc": "AUPRC of pixels",
}
_CHECKS = {
    "randomisation": "Weights matter",
    "labels": "Labels matter",
    "trainings": "Same in another training",
    "repeatability": "Repeatable",
    "faithfulness": "Faithful",
}
Content = Mapping[str, Any]


def score_blocks(scores: Content | None) -> list[Block]:
    """Return the blocks of explain/scores.json; nothing where it is absent."""
    if not scores or not scores.get("methods"):
        return []
    methods: Mapping[str, Any] = scores["methods"]
    drawing = forest_plot(_rows(methods), None, "pointing", axis="Share of images", reference=None)
    caption = (
        f"Share of {count(scores.get('n'))} fractured images whose map peaks inside a reference box. Hollow: a row "
        "that knows nothing of the model (chance), or a method that failed a check."
    )
    return [
        Heading("Do the maps point at the fracture?"),
        Text(_about(scores)),
        Figures(((drawing, caption),), wide=True),
        _table(methods),
        *part_blocks(scores),
        *_checks(methods),
        *_probes(scores.get("probes") or ()),
        *(Note(str(note)) for note in scores.get("notes") or ()),
    ]


def _about(scores: Content) -> str:
    margin = scores.get("margin")
    near = f" “Near” allows {number(margin, 4)} of the {scores.get('margin_of')} around it." if margin else ""
    return (
        f"Judged on {count(scores.get('n'))} images with {count(scores.get('n_boxes'))} boxes; the method that the "
        f"model shows by itself is {_name(str(scores.get('default')))}.{near} A method is worth its difference to the "
        "rows of chance."
    )


def _name(method: str) -> str:
    return method.replace("_", " ")


def _rows(methods: Mapping[str, Content]) -> list[ForestRow]:
    rows = []
    for role, heading in (("method", "methods"), ("chance", "chance")):
        part = {name: method for name, method in methods.items() if (method.get("role") or "method") == role}
        rows += [ForestRow(heading)] if part else []
        for name, method in part.items():
            figure = (method.get("figures") or {}).get("pointing") or {}
            bounds = (figure.get("value"), figure.get("low"), figure.get("high"))
            weak = role == "chance" or bool(method.get("warnings"))
            rows.append(ForestRow(title_of(name, method)[:28], *bounds, estimate(figure, 2), weak))
    return rows


def _table(methods: Mapping[str, Content]) -> Table:
    figures = [name for name in _FIGURES if any(name in (m.get("figures") or {}) for m in methods.values())]
    rows = []
    for name, method in methods.items():
        cells = (estimate((method.get("figures") or {}).get(figure), 2) for figure in figures)
        chance = " (chance)" if method.get("role") == "chance" else ""
        rows.append((f"{title_of(name, method)}{chance}", count(method.get("n")), *cells))
    heads = (_FIGURES[figure] for figure in figures)
    return Table(("Method", "Images", *heads), tuple(rows), "Maps against reference boxes, with intervals.")


def _checks(methods: Mapping[str, Content]) -> Iterator[Block]:
    rows = []
    for name, method in methods.items():
        for check, title in _CHECKS.items():
            found = (method.get("checks") or {}).get(check)
            if found:
                rows.append(
                    (f"{title_of(name, method)}: {title.lower()}", _passed(found), str(found.get("sentence") or ""))
                )
    if rows:
        columns = ("Method and check", "Passed", "What was found")
        yield Table(
            columns, tuple(rows), "Sanity checks: a map that fails one is not to be relied on.", frozenset({0, 1, 2})
        )
    for name, method in methods.items():
        yield from (Note(f"{title_of(name, method)}: {text}.", warning=True) for text in _plain(method.get("warnings")))


def _plain(warnings: Any) -> list[str]:
    return [str(text).rstrip(".") for text in warnings or ()]


def _passed(found: Content) -> str:
    return {True: "yes", False: "NO"}.get(found.get("passed"), "–")  # type: ignore[arg-type]


def _probes(probes: Sequence[Content]) -> Iterator[Block]:
    if not probes:
        return
    yield Heading("Does the score rest on something else?")
    rows = []
    for probe in probes:
        aurocs = f"{number(probe.get('auroc_before'))} → {number(probe.get('auroc_after'))}"
        cells = (count(probe.get("n")), estimate(probe.get("change")), aurocs)
        rows.append((_name(str(probe.get("name"))), *cells, str(probe.get("sentence") or "")))
    columns = ("Covered", "Images", "Change of the logit", "AUROC", "What it means")
    caption = "Shortcut probes: a part of the picture is covered, against an equal area elsewhere."
    yield Table(columns, tuple(rows), caption, frozenset({0, 4}))
    for probe in probes:
        if probe.get("found"):
            yield Note(f"The score rests on a shortcut: {str(probe.get('sentence')).rstrip('.')}.", warning=True)
