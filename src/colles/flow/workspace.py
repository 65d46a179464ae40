"""Where a run's artefacts lie, and the record of which inputs each was made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colles.core.errors import CollesError
from colles.core.files import read_json, write_json


@dataclass(frozen=True)
class Workspace:
    """The folder of one run; every stage has one place in it."""

    out: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.out / "recipe.yaml"

    @property
    def phantom(self) -> Path:
        """Simulated radiographs, where the recipe asks for them."""
        return self.out / "phantom"

    @property
    def catalog(self) -> Path:
        """One row a radiograph."""
        return self.out / "catalog.parquet"

    @property
    def audit(self) -> Path:
        """Folder of audit.json, clusters.csv and audit.html."""
        return self.out / "audit"

    @property
    def split(self) -> Path:
        """The split; split.json lies beside it."""
        return self.out / "split.csv"

    @property
    def organized(self) -> Path:
        """The merged folders of images."""
        return self.out / "data"

    @property
    def train(self) -> Path:
        """Checkpoints, logs and predictions."""
        return self.out / "train"

    @property
    def predictions(self) -> Path:
        """Scores of val and test."""
        return self.train / "predictions.parquet"

    @property
    def robustness(self) -> Path:
        """Scores of test images made worse, by condition."""
        return self.out / "robustness" / "predictions.parquet"

    @property
    def evaluation(self) -> Path:
        """Figures with intervals."""
        return self.out / "evaluation" / "evaluation.json"

    @property
    def explain(self) -> Path:
        """Heat maps."""
        return self.out / "explain"

    @property
    def bundle(self) -> Path:
        """What `predict` needs."""
        return self.out / "bundle"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.out / "report.html"

    @property
    def state(self) -> Path:
        """Digests of the inputs that each finished stage was made from."""
        return self.out / "state.json"


class Ledger:
    """Remember which inputs each finished stage was made from."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stages: dict[str, dict[str, Any]] = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._path.is_file():
            return {}
        try:
            stages = read_json(self._path)["stages"]
        except (CollesError, KeyError, TypeError):
            return {}  # a damaged ledger only means that stages run again
        records = stages.items() if isinstance(stages, dict) else ()
        return {stage: record for stage, record in records if isinstance(record, dict)}

    def why_run(self, stage: str, key: str, outputs: Iterable[Path]) -> str | None:
        """Say why a stage has to run, or return None where what is there is current."""
        known = self._stages.get(stage)
        if known is None:
            return "not done yet"
        if known.get("key") != key:
            return "its inputs changed"
        missing = [path.name for path in outputs if not path.exists()]
        return f"{missing[0]} is missing" if missing else None

    def key(self, stage: str) -> str | None:
        """Return the key of the last record of a stage, finished or begun."""
        known = self._stages.get(stage) or self._stages.get(f"{stage}:begun")
        return None if known is None else known.get("key")

    def begin(self, stage: str, key: str) -> None:
        """Note that a long stage has begun with these inputs, so that it may be resumed."""
        self._stages.pop(stage, None)
        self._stages[f"{stage}:begun"] = {"key": key}
        self._save()

    def finish(self, stage: str, key: str, seconds: float) -> None:
        """Note that a stage is finished."""
        self._stages.pop(f"{stage}:begun", None)
        self._stages[stage] = {"key": key, "seconds": round(seconds, 2)}
        self._save()

    def _save(self) -> None:
        write_json(self._path, {"schema_version": 1, "stages": self._stages})
