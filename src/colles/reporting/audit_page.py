"""The audit as one page to read: audit and catalog → a self-contained HTML file that loads nothing from elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from colles.core.files import write_text
from colles.core.records import SUBSETS, Issue
from colles.datasets.audit import Audit
from colles.datasets.catalog import Catalog
from colles.reporting import audit_charts as charts
from colles.reporting.pictures import thumbnail

_CLUSTERS = 40  # issues shown with pictures: about 1 MB
_PICTURES = 8  # of one issue
_LISTED = 200  # issues of one kind in words
_SEVERITIES = {"error": 0, "warning": 1, "info": 2}
_PICTURED = ("label_conflict", "near_duplicate", "mislabelled_metadata", "split_leak", "exact_duplicate")
_MEANINGS = {
    "truncated": "the file ends before the picture does; left out",
    "unreadable": "the file is not a picture that can be read; left out",
    "empty": "the file has no content; left out",
    "too_large": "the picture is above the limit of size; left out",
    "unsupported": "the form of the file is not supported; left out",
    "exact_duplicate": "several files hold the same picture; kept on one side of a split",
    "near_duplicate": "one radiograph changed, or taken again in one pose; kept on one side of a split",
    "label_conflict": "one radiograph or one name with both labels; look at them",
    "split_leak": "one radiograph, patient, study or name in several subsets; scores on that split are too good",
    "shortcut": "a property of the file tells the label, so a model may learn it instead of fractures",
    "mislabelled_metadata": "the label used is not the one in the source's table",
    "blank": "the picture has one grey; take it out by a correction",
    "near_constant": "hardly anything can be seen; look at it, and take it out by a correction",
    "looks_inverted": "bone may be dark; look at some, and invert them where that is so",
    "tiny": "too few pixels for a fracture to be seen",
    "odd_aspect_ratio": "a strip, or several pictures in one file; look at it",
    "not_a_radiograph": "a coloured picture; take it out by a correction",
    "several_frames": "only the first picture of the file is used",
    "burned_in_annotation": "the pixels may hold the patient's name; do not pass the file on",
    "wrong_ending": "the name says another form than the file has; it was read all the same",
    "correction": "the label was changed by a correction",
    "missing_label": "no label; takes no part in training or evaluation",
}
_LABELS = {1: "fracture", 0: "no fracture", None: "label unknown"}


def write_audit_page(audit: Audit, catalog: Catalog, out_html: str | Path) -> Path:
    """Write the page; pictures that are gone or broken are shown as such."""
    environment = Environment(loader=PackageLoader("colles.reporting"), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("audit.html.j2").render(_content(audit, catalog))
    return write_text(out_html, page)


def _content(audit: Audit, catalog: Catalog) -> dict[str, Any]:
    pictured = [issue for issue in audit.issues if issue.kind in _PICTURED]
    sides, matrix = _matrix(audit.summary)
    template = charts.corrections(audit)
    return {
        "n_images": f"{len(catalog):,}",
        "verdict": _verdict(audit),
        "notices": audit.summary.get("notices") or [],
        "tiles": _tiles(audit, catalog.frame),
        "kinds": _kinds(audit.issues),
        "sides": sides,
        "matrix": matrix,
        "across": audit.summary.get("leaks", {}).get("across", "the split"),
        "holdings": _holdings(catalog.frame),
        "shown": _shown(pictured, catalog.frame),
        "n_pictured": len(pictured),
        "flow": charts.flow(audit, catalog.frame),
        "shortcuts": charts.shortcut_bars(audit.summary),
        "practices": charts.practices(audit.summary),
        "prices": charts.prices(audit.summary),
        "corrections": template,
        "n_doubts": f"{max(0, template.count(chr(10)) - 1):,}",
        "corrections_address": charts.as_address(template),
        "method": _method(audit.summary),
        "digest": audit.summary.get("catalog_digest", "unknown"),
    }


def _verdict(audit: Audit) -> str:
    leaks = sum(issue.kind == "split_leak" for issue in audit.issues)
    errors = sum(issue.severity == "error" for issue in audit.issues) - leaks
    across = audit.summary.get("leaks", {}).get("across", "the split")
    units = "unit lies" if leaks == 1 else "units lie"
    parts = [f"{leaks:,} {units} on several sides of {across}." if leaks else f"No leak across {across} was found."]
    if errors:
        parts.append(f"{errors:,} other error{'s' * (errors > 1)} should be looked at.")
    return " ".join(parts)


def _tiles(audit: Audit, frame: pl.DataFrame) -> list[dict[str, str]]:
    readable = frame.filter(pl.col("status") == "ok")
    duplicates = audit.summary.get("duplicates", {})
    values = {
        "readable": len(readable),
        "broken": len(frame) - len(readable),
        "with fracture": len(readable.filter(pl.col("label") == 1)),
        "without label": readable["label"].null_count(),
        "sets of copies": duplicates.get("clusters", 0),
        "images in them": duplicates.get("images", 0),
        "groups": audit.clusters["group_id"].n_unique(),
    }
    return [{"name": name, "value": f"{value:,}"} for name, value in values.items()]


def _kinds(issues: Sequence[Issue]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[Issue]] = defaultdict(list)
    for issue in issues:
        found[issue.kind, issue.severity].append(issue)
    order = sorted(found, key=lambda key: (_SEVERITIES[key[1]], key[0]))
    return [_kind(kind, severity, found[kind, severity]) for kind, severity in order]


def _kind(kind: str, severity: str, issues: list[Issue]) -> dict[str, Any]:
    return {
        "name": _name(kind),
        "severity": severity,
        "n": f"{len(issues):,}",
        "images": f"{len({image for issue in issues for image in issue.images}):,}",
        "meaning": _MEANINGS.get(kind, ""),
        "listed": [{"images": _some(issue.images), "detail": issue.detail} for issue in issues[:_LISTED]],
        "unlisted": max(0, len(issues) - _LISTED),
    }


def _name(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def _some(images: Sequence[str]) -> str:
    more = f" and {len(images) - _PICTURES} more" if len(images) > _PICTURES else ""
    return ", ".join(images[:_PICTURES]) + more


def _matrix(summary: dict[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
    counts: dict[str, int] = summary.get("leaks", {}).get("matrix", {})
    named = {side for pair in counts for side in pair.split("|")}
    sides = [*(side for side in SUBSETS if side in named), *sorted(named.difference(SUBSETS))]

    def both(one: str, other: str) -> str:
        return "" if one == other else str(counts.get("|".join(sorted((one, other))), 0))

    return sides, [{"side": one, "counts": [both(one, other) for other in sides]} for one in sides]


def _holdings(frame: pl.DataFrame) -> list[dict[str, Any]]:
    readable = frame.filter(pl.col("status") == "ok").with_columns(pl.col("body_part").fill_null("unknown"))
    table = readable.group_by("source", "body_part").agg(
        (pl.col("label") == 1).sum().alias("positive"),
        (pl.col("label") == 0).sum().alias("negative"),
        pl.col("label").is_null().sum().alias("unknown"),
        pl.len().alias("all"),
    )
    return table.sort("source", "body_part").to_dicts()


def _shown(issues: Iterable[Issue], frame: pl.DataFrame) -> list[dict[str, Any]]:
    by_kind: dict[str, list[Issue]] = defaultdict(list)
    for issue in sorted(issues, key=lambda found: _SEVERITIES[found.severity]):
        by_kind[issue.kind].append(issue)
    # In turns, so that one frequent kind does not fill the page; then kind by kind again.
    turns = chain.from_iterable(zip_longest(*(by_kind[kind] for kind in _PICTURED if kind in by_kind)))
    chosen = [issue for issue in turns if issue is not None][:_CLUSTERS]
    chosen.sort(key=lambda issue: (_SEVERITIES[issue.severity], _PICTURED.index(issue.kind)))
    wanted = {image for issue in chosen for image in issue.images[:_PICTURES]}
    rows = frame.filter(pl.col("image_id").is_in(list(wanted))).select("image_id", "path", "label")
    found = {image: _picture(image, path, label) for image, path, label in rows.iter_rows()}
    return [_pictured(issue, found) for issue in chosen]


def _picture(image: str, path: str, label: int | None) -> dict[str, Any]:
    return {"image_id": image, "label": _LABELS[label], "data": thumbnail(path)}


def _pictured(issue: Issue, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": _name(issue.kind),
        "severity": issue.severity,
        "detail": issue.detail,
        "pictures": [found[image] for image in issue.images[:_PICTURES] if image in found],
        "more": max(0, len(issue.images) - _PICTURES),
    }


def _method(summary: dict[str, Any]) -> str:
    recipe, duplicates = summary.get("recipe", {}), summary.get("duplicates", {})
    learned = "embedding" in duplicates.get("methods", ())
    return (
        f"Files with equal bytes or equal pixels are exact copies. For the others descriptions propose pairs: a "
        f"255-bit perceptual hash that quarter turns, mirroring and inversion leave alone (at most "
        f"{recipe.get('hash_distance')} bits apart), the layout of local contrast, the spectrum by angle and scale"
        f"{', and features of a network' if learned else ''}. One picture of a pair is then laid on the other and the "
        f"pair counts as copies where the fine structure of the median block correlates at "
        f"{recipe.get('min_correlation')} or more, without stretching. {duplicates.get('candidates', 0):,} pairs were "
        f"laid on each other and {duplicates.get('rejected', 0):,} rejected. A second exposure in the same pose can "
        f"agree as well as a copy; both belong on one side of a split. Images that share a base name belong together "
        f"already and were not compared with each other. "
        f"{'' if learned else 'No network took part (--embed): copies changed in several ways may be missed. '}"
        f"Copies that lost more than about a fifth of either side may be missed, and so may those that were made "
        f"noisy, equalised, set in a bright frame, or turned freely on a larger canvas."
    )
