"""Everything a run left on disk, read once into one frozen object; a part that is not there is None.

A folder of `colles run`, a bare folder of `colles train`, and a folder of `colles evaluate` all work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import yaml
from pydantic import BaseModel

from colles.core.errors import MissingInputError, TableError
from colles.core.files import existing_folder, read_json
from colles.core.recipe import Recipe
from colles.core.section import Section
from colles.core.tables import read_table, require_columns
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation, reported_subset
from colles.evaluation.robustness import clean_rows
from colles.reporting.forms import (
    AuditForm,
    ExplanationForm,
    ProvenanceForm,
    ScoresForm,
    SplitForm,
    assert_curves,
    assert_kinds,
)

T = TypeVar("T")
Json = dict[str, Any]
REPAIR = "Make a run with `colles run RECIPE --out DIR`, or figures with `colles evaluate PREDICTIONS --out DIR`"
EXPLAIN = "Run `colles explain` again"
RESTORE = "Restore the recipe that the run wrote"


@dataclass(frozen=True)
class Artefacts:
    """What one run left."""

    folder: Path
    name: str
    recipe: Json | None = None
    recipe_text: str | None = None
    catalog: pl.DataFrame | None = None
    audit: Json | None = None
    clusters: pl.DataFrame | None = None
    audit_page: Path | None = None
    split: pl.DataFrame | None = None
    split_summary: Json | None = None
    provenance: Json | None = None
    metrics: pl.DataFrame | None = None
    classes: pl.DataFrame | None = None
    bad_files: pl.DataFrame | None = None
    predictions: Predictions | None = None
    judged: pl.DataFrame | None = None
    """The labelled rows of unchanged images in `predictions`; None where the evaluation judged another table."""
    samples: Path | None = None
    evaluation: Json | None = None
    explanations: tuple[Json, ...] | None = None
    explain_folder: Path | None = None
    explanation_scores: Json | None = None
    bundle: Json | None = None
    manifest: Json | None = None

    @property
    def subsets(self) -> dict[str, Json]:
        """The evaluation's subsets by name; empty where there is no evaluation."""
        return dict((self.evaluation or {}).get("subsets") or {})

    @property
    def reported(self) -> str | None:
        """The subset whose figures count."""
        return reported_subset(self.subsets)

    @property
    def shown(self) -> list[str]:
        """Subsets drawn side by side: val first, the reported one last, the others between."""
        reported = self.reported
        val = ["val"] if "val" in self.subsets and reported != "val" else []
        return [*val, *self.others, *([reported] if reported else [])]

    @property
    def others(self) -> list[str]:
        """Further subsets that were judged and had no part in training or choosing: external as a rule."""
        return [name for name in self.subsets if name not in ("train", "val", self.reported)]

    @property
    def simulated(self) -> bool:
        """Tell whether the recipe simulates its radiographs."""
        return bool(((self.recipe or {}).get("data") or {}).get("phantom"))

    @property
    def unlike(self) -> bool:
        """Tell whether the predictions beside the evaluation are not those that it judged."""
        return self.evaluation is not None and self.predictions is not None and self.judged is None

    def points(self, subset: str | None = None) -> dict[str, Json]:
        """Operating points of a subset (the reported one by default), by name."""
        name = subset or self.reported
        return dict(self.subsets.get(name or "", {}).get("operating_points") or {})


def conditions(run: Artefacts) -> list[Json]:
    """Return the reported subset's conditions in the order of the file; older files keep them among the subgroups."""
    evaluation = run.evaluation or {}
    found = evaluation.get("robustness") or [
        group for group in evaluation.get("subgroups") or () if group.get("column") == "condition"
    ]
    return [condition for condition in found if condition.get("subset") == run.reported]


def load_artefacts(folder: str | Path) -> Artefacts:
    """Read a run's folder.

    Raise `MissingInputError` where there is nothing to report, `TableError` where a file is damaged.
    """
    root = existing_folder(folder, repair=REPAIR)
    recipe_file = _first(root, "recipe.yaml", "train/recipe.yaml")
    recipe = _load(recipe_file, _read_yaml)
    explain = _first(root, "explain/explanations.json", "explanations.json")
    predictions = _load(_first(root, "train/predictions.parquet", "predictions.parquet"), Predictions.load)
    evaluation = _load(_first(root, "evaluation/evaluation.json", "evaluation.json"), _read_evaluation)
    found = Artefacts(
        folder=root,
        name=str((recipe or {}).get("name") or root.resolve().name),
        recipe=recipe,
        recipe_text=_load(recipe_file, lambda file: file.read_text("utf-8")),
        catalog=_load(_first(root, "catalog.parquet", "data/catalog.parquet"), read_table),
        audit=_load(_first(root, "audit/audit.json", "audit.json"), _read_form(AuditForm, "Run `colles audit` again")),
        clusters=_load(_first(root, "audit/clusters.csv", "clusters.csv"), _read_text_table),
        audit_page=_first(root, "audit/audit.html"),
        split=_load(_first(root, "split.csv", "data/split.csv"), _read_split),
        split_summary=_load(
            _first(root, "split.json", "data/split.json"), _read_form(SplitForm, "Run `colles split` again")
        ),
        provenance=_load(
            _first(root, "train/provenance.json", "provenance.json"), _read_form(ProvenanceForm, "Restore it")
        ),
        metrics=_load(_first(root, "train/metrics.csv", "metrics.csv"), read_table),
        classes=_load(_first(root, "train/classes.csv", "classes.csv"), read_table),
        bad_files=_load(_first(root, "train/bad_files.csv", "bad_files.csv"), _read_text_table),
        predictions=predictions,
        judged=_judged(predictions, evaluation),
        samples=_first(root, "train/samples.png", "samples.png"),
        evaluation=evaluation,
        explanations=_load(explain, _read_list),
        explain_folder=explain.parent if explain else None,
        explanation_scores=_load(_first(root, "explain/scores.json", "scores.json"), _read_form(ScoresForm, EXPLAIN)),
        bundle=_load(_first(root, "bundle/metadata.json", "metadata.json"), _read_object),
        manifest=_load(_first(root, "bundle/manifest.json", "manifest.json"), _read_object),
    )
    parts = (found.catalog, found.audit, found.split, found.metrics, found.evaluation, found.predictions, found.bundle)
    if all(part is None for part in parts):
        raise MissingInputError("holds nothing to report", path=root, repair=REPAIR)
    return found


def _judged(predictions: Predictions | None, evaluation: Json | None) -> pl.DataFrame | None:
    if predictions is None or (evaluation or {}).get("predictions", {}).get("digest") != predictions.digest:
        return None
    return clean_rows(predictions.frame).filter(pl.col("y_true").is_not_null())


def _first(root: Path, *names: str) -> Path | None:
    return next((root / name for name in names if (root / name).is_file()), None)


def _load(file: Path | None, read: Callable[[Path], T]) -> T | None:
    return None if file is None else read(file)


def _read_text_table(file: Path) -> pl.DataFrame:
    # Numeric-looking ids ("0012") must stay as they were written.
    if not file.read_bytes().strip():
        return pl.DataFrame()
    try:
        return pl.read_csv(file, infer_schema=False, glob=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise TableError(f"cannot be read as csv ({reason})", path=file, repair="Write it again") from error


def _read_split(file: Path) -> pl.DataFrame:
    frame = _read_text_table(file)
    require_columns(frame, ("image_id", "subset"), path=file)
    return frame


def _read_yaml(file: Path) -> Json:
    try:
        value = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TableError("not valid YAML", path=file, repair=RESTORE) from error
    sections = value if isinstance(value, dict) else {}
    for name, field in Recipe.model_fields.items():
        if isinstance(field.default, Section) and not isinstance(sections.get(name) or {}, dict):
            raise TableError("is no table of keys", path=file, field=name, repair=RESTORE)
    return sections


def _read_object(file: Path) -> Json:
    value = read_json(file)
    if not isinstance(value, dict):
        raise TableError("holds no JSON object", path=file, repair="Write it again")
    return value


def _read_form(form: type[BaseModel], repair: str) -> Callable[[Path], Json]:
    def read(file: Path) -> Json:
        value = _read_object(file)
        assert_kinds(value, form, file, repair)
        return value

    return read


def _read_evaluation(file: Path) -> Json:
    again = "Run `colles evaluate` again"
    value = _read_form(Evaluation, again)(file)
    if not value.get("subsets"):
        raise TableError("holds no figures", path=file, field="subsets", repair=again)
    assert_curves(value["subsets"], file, again)
    return value


def _read_list(file: Path) -> tuple[Json, ...]:
    value = read_json(file)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise TableError("holds no list of JSON objects", path=file, repair=EXPLAIN)
    for entry in value:
        assert_kinds(entry, ExplanationForm, file, EXPLAIN)
    return tuple(value)
