"""Keep the weights of the best trial alone: a search would fill the disk otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from colles.core.files import remove
from colles.learning.sweep.entries import Entry
from colles.learning.sweep.trial import SweepJob


class BestWeights:
    """Remember the best complete trial, and clear the folders of the others."""

    def __init__(self, job: SweepJob, study: Any) -> None:
        self.job = job
        done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
        kept = [(trial.value, job.trial_folder(trial.number)) for trial in done]
        self.best: tuple[float, Path] | None = max((p for p in kept if (p[1] / "checkpoints").is_dir()), default=None)

    def keep(self, entry: Entry) -> None:
        """Clear the trial's folder, or that of the best before it."""
        folder = self.job.trial_folder(entry.config_id)
        score = entry.best_score if entry.state == "complete" else None
        if score is None or (self.best is not None and score <= self.best[0]):
            _clear(folder, weights=True)
            return
        _clear(folder, weights=False)
        if self.best is not None:
            _clear(self.best[1], weights=True)
        self.best = (score, folder)


def _clear(folder: Path, *, weights: bool) -> None:
    for path in (folder / "checkpoints").glob("resume_*"):
        remove(path)
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    if weights:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
