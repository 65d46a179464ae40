"""The kinds of values that a report counts on in JSON of whatever age or hand: what is missing may be missing.

The form of evaluation.json is the one that it is written in; those of the other files are below.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from colles.core.errors import TableError


class FigureForm(BaseModel):
    """An estimate of explain/scores.json."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    method: str | None = None
    n: int | None = None
    n_groups: int | None = None


class CheckForm(BaseModel):
    """What a check of a method found."""

    passed: bool | None = None


class PartForm(BaseModel):
    """A part of the images and what a method's maps are worth on it."""

    n: int | None = None
    figures: dict[str, FigureForm] | None = None


class RecallForm(BaseModel):
    """Which share of the fractures the candidate boxes find at so many false ones."""

    false_boxes_per_image: float | None = None
    recall: FigureForm | None = None


class MethodForm(PartForm):
    """A method and what its maps are worth."""

    role: str | None = None
    subgroups: tuple[PartForm, ...] | None = None
    froc: tuple[RecallForm, ...] | None = None
    froc_images: int | None = None
    checks: dict[str, CheckForm] | None = None
    warnings: tuple[str, ...] | None = None


class ProbeForm(BaseModel):
    """A part of the picture that was covered."""

    n: int | None = None
    change: FigureForm | None = None
    auroc_before: float | None = None
    auroc_after: float | None = None


class ScoresForm(BaseModel):
    """explain/scores.json."""

    n: int | None = None
    n_boxes: int | None = None
    margin: float | None = None
    default: str | None = None
    methods: dict[str, MethodForm] | None = None
    probes: tuple[ProbeForm, ...] | None = None
    notes: tuple[str, ...] | None = None


class ExplanationForm(BaseModel):
    """An entry of explain/explanations.json."""

    score: float | None = None


class DuplicatesForm(BaseModel):
    """What an audit says of copies."""

    images: int | None = None
    clusters: int | None = None


class LeaksForm(BaseModel):
    """What an audit says of leaks."""

    n: int | None = None
    images: int | None = None


class SummaryForm(BaseModel):
    """The summary of an audit."""

    duplicates: DuplicatesForm | None = None
    leaks: LeaksForm | None = None


class IssueForm(BaseModel):
    """An issue of an audit."""

    images: tuple[str, ...] | None = None


class AuditForm(BaseModel):
    """audit.json."""

    summary: SummaryForm | None = None
    issues: tuple[IssueForm, ...] | None = None


class SplitForm(BaseModel):
    """split.json."""

    excluded: tuple[dict[str, Any], ...] | None = None
    warnings: tuple[str, ...] | None = None


class ProvenanceForm(BaseModel):
    """train/provenance.json."""

    versions: dict[str, Any] | None = None
    digests: dict[str, Any] | None = None


def assert_kinds(value: Mapping[str, Any], form: type[BaseModel], file: Path, repair: str) -> None:
    """Raise `TableError` naming the first field of `value` that holds another kind than the form has there."""
    try:
        form.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        odd = [each for each in error.errors(include_url=False) if each["type"].endswith("_type")]
        if odd:
            field = ".".join(map(str, odd[0]["loc"]))
            text = f"is of another kind ({str(odd[0]['msg']).lower()})"
            raise TableError(text, path=file, field=field, repair=repair) from error


def assert_curves(subsets: Mapping[str, Any], file: Path, repair: str) -> None:
    """Raise `TableError` naming the first curve whose columns are not numbers, as many in each."""
    for name, subset in subsets.items():
        for curve, columns in (subset.get("curves") or {}).items():
            numbers = all(isinstance(each, int | float | None) for column in columns.values() for each in column)
            if not numbers or len({len(column) for column in columns.values()}) > 1:
                field = f"subsets.{name}.curves.{curve}"
                raise TableError("is no columns of numbers, as many in each", path=file, field=field, repair=repair)
