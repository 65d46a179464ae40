"""The drawn parts of the audit page: flow of images, shortcut bars, price of a careless split, corrections."""

from __future__ import annotations

import base64
import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from markupsafe import Markup

from colles.datasets.audit import Audit
from colles.reporting.figures.flow_diagram import Exit, Station, flow_diagram
from colles.reporting.formats import plural

_DOUBTFUL = ("label_conflict", "mislabelled_metadata")
_CHANCE = 0.5


def flow(audit: Audit, frame: pl.DataFrame) -> Markup:
    """Draw what was found, what cannot be used and why, and how many distinct radiographs remain by label."""
    readable = frame.filter(pl.col("status") == "ok")
    known = readable.filter(pl.col("label").is_not_null())
    broken = Counter(str(status) for status in frame["status"].to_list() if status != "ok")
    distinct = _distinct(audit.clusters, known)
    copies = known.height - distinct.height
    stations = [
        Station(f"{plural(frame.height, 'file')} found", (_exit("not readable", broken),)),
        Station(plural(readable.height, "readable image"), (_exit("label unknown", readable.height - known.height),)),
        Station(plural(known.height, "labelled image"), (_exit("further copies of a radiograph in the set", copies),)),
        Station(plural(distinct.height, "distinct radiograph")),
    ]
    positive = distinct.filter(pl.col("label") == 1).height
    endings = [(f"{positive:,}", "fracture"), (f"{distinct.height - positive:,}", "no fracture")]
    return flow_diagram(stations, endings)


def _exit(title: str, found: int | Counter[str]) -> Exit:
    if isinstance(found, int):
        return Exit(found, title, ())
    lines = tuple(f"{count:,} {status.replace('_', ' ')}" for status, count in sorted(found.items()))
    return Exit(found.total(), title, lines)


def _distinct(clusters: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    # One image of each set of copies. Base names are left alone: one name may stand for several radiographs.
    if "copy_id" not in clusters.columns:
        return known
    rows = known.join(clusters.select("image_id", "copy_id"), on="image_id", how="left").sort("image_id")
    return rows.unique(pl.coalesce("copy_id", "image_id"), keep="first")


def shortcut_bars(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return, for all sources and for each, the properties with their bars from chance (0.5) to 1, strongest first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for found in summary.get("shortcuts") or ():
        groups.setdefault(found["over"], []).append(_bar(found))
    return [{"over": over, "bars": sorted(bars, key=lambda bar: -bar["value"])} for over, bars in groups.items()]


def _bar(found: Mapping[str, Any]) -> dict[str, Any]:
    estimate = found["auroc"]
    value, low, high = (
        float(estimate[key] if estimate[key] is not None else _CHANCE) for key in ("value", "low", "high")
    )
    return {
        "name": found["property"],
        "value": value,
        "words": f"{value:.2f} ({low:.2f}–{high:.2f})",
        "width": f"{_percent(value):.1f}",
        "left": f"{_percent(low):.1f}",
        "span": f"{_percent(high) - _percent(low):.1f}",
        "severity": found.get("severity") or "none",
        "advice": found.get("advice", "") if found.get("severity") else "",
    }


def _percent(auroc: float) -> float:
    return 100 * min(max((auroc - _CHANCE) / (1 - _CHANCE), 0.0), 1.0)


def prices(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row a source of the AUROCs at random and by group, and of their difference."""
    rows = []
    for found in summary.get("inflation") or ():
        cells = {name: _figure(found[name], name == "difference") for name in ("random", "grouped", "difference")}
        rows.append({"over": str(found["over"]), "n": f"{found['random']['n']:,}", **cells})
    return rows


def _figure(estimate: Mapping[str, Any], signed: bool) -> str:
    form = "+.3f" if signed else ".3f"
    bounds = "" if estimate["low"] is None else f" ({estimate['low']:{form}} to {estimate['high']:{form}})"
    return f"{estimate['value']:{form}}{bounds}"


def practices(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row a source and practice: held-out images, and those whose radiograph is in train as well."""
    rows = []
    for found in summary.get("practices") or ():
        share = found["leaked"] / found["held_out"] if found["held_out"] else 0.0
        texts = {name: f"{found[name]:,.1f}".removesuffix(".0") for name in ("held_out", "leaked")}
        rows.append({"source": found["source"], "practice": found["practice"], **texts, "share": f"{share:.1%}"})
    return rows


def corrections(audit: Audit) -> str:
    """Return a CSV to fill in: an image a line whose label is in doubt, with the reason."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(("image_id", "label", "reason", "reader"))
    seen: set[str] = set()
    for image, reason in _doubts(audit):
        if image not in seen:
            seen.add(image)
            table.writerow((image, "", reason, ""))
    return stream.getvalue()


def _doubts(audit: Audit) -> Sequence[tuple[str, str]]:
    return [(image, issue.detail) for issue in audit.issues if issue.kind in _DOUBTFUL for image in issue.images]


def as_address(text: str) -> str:
    """Return a text as a `data:` address that a browser saves as a file."""
    return "data:text/csv;base64," + base64.b64encode(text.encode()).decode("ascii")
