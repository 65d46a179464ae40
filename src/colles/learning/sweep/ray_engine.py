"""Search on a cluster with Ray Tune: the same space, study and trials' files, many trials at a time.

A trial whose machine is lost begins again elsewhere, from its last finished epoch: the search's folder has to lie on a
disk that every machine sees. Ray itself opens ports on all interfaces; run it in a network that you trust.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from colles.core.extras import require
from colles.core.recipe_sweep import SweepRecipe
from colles.learning.cluster import connect, placed
from colles.learning.sweep.entries import Entry, write_entry
from colles.learning.sweep.space import decode
from colles.learning.sweep.study import create_sampler, interrupted, open_study, storage_url
from colles.learning.sweep.trial import SweepJob, run_trial, say_trial, trial_figures
from colles.learning.sweep.weights import BestWeights

_SCORE = "score"


def run_ray(job: SweepJob) -> None:
    """Run trials until `sweep.trials` are done, on the cluster of RAY_ADDRESS or on this machine."""
    tune = require("ray.tune", "ray")
    study, sweep = open_study(job), job.recipe.sweep
    left = sweep.trials - len(study.trials) + len(interrupted(study))
    if left <= 0:
        return
    connect()
    resources = {"cpu": sweep.cpus, **({"gpu": sweep.gpus} if sweep.gpus else {})}
    shared = replace(job, recipe=placed(job.recipe))
    trainable = tune.with_resources(tune.with_parameters(train_point, job=shared), resources)
    tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            metric=_SCORE,
            mode="max",
            search_alg=create_searcher(job, study),
            scheduler=create_schedule(sweep) if sweep.prune else None,
            num_samples=left,
            max_concurrent_trials=sweep.parallel,
            reuse_actors=False,
        ),
        run_config=tune.RunConfig(
            name=time.strftime("%Y%m%d-%H%M%S"),
            storage_path=str(job.out / "ray"),
            failure_config=tune.FailureConfig(max_failures=sweep.retries),
            verbose=0,
        ),
    ).fit()


def create_schedule(sweep: SweepRecipe) -> Any:
    """Return Ray's median rule, which counts epochs (each is reported once), not its default of seconds."""
    schedulers = require("ray.tune", "ray").schedulers
    return schedulers.MedianStoppingRule(
        time_attr="training_iteration",
        grace_period=max(1, sweep.warmup_epochs),
        min_samples_required=sweep.startup_trials,
    )


def train_point(point: dict[str, Any], *, job: SweepJob) -> None:
    """Train one point in a worker of the cluster; its entry is written where the search collects it."""
    from ray import tune

    def report(epoch: int, value: float) -> bool:
        tune.report({_SCORE: value, "epoch": epoch})
        return False  # the scheduler ends the worker where it has no further use for the trial

    params = decode(job.parameters, {parameter.name: point[parameter.name] for parameter in job.parameters})
    write_entry(job.out, run_trial(job, point["config_id"], params, report))


def create_searcher(job: SweepJob, study: Any) -> Any:
    """Return Ray's Optuna search over the job's study, which hands out interrupted trials first."""
    from optuna.storages import RDBStorage
    from ray.tune.search.optuna import OptunaSearch

    from colles.learning.sweep.logs import SweepLogs
    from colles.learning.sweep.study import NAME, suggest, take_up, tell

    def space(trial: Any) -> dict[str, Any]:
        for parameter in job.parameters:
            suggest(trial, parameter)
        return {"config_id": trial.number}

    class StudySearch(OptunaSearch):
        """Ask and tell as the other engine does: the best epoch counts, and failed trials are failed."""

        def suggest(self, trial_id: str) -> Any:
            if begun and trial_id not in self._ot_trials:
                self._ot_trials[trial_id] = take_up(self._ot_study, begun.pop(0))
            memory: Any = self._ot_study
            memory.sampler = create_sampler(job, len(memory.trials))
            return super().suggest(trial_id)

        def save(self, checkpoint_path: str) -> None:
            Path(checkpoint_path).touch()  # the study is on the disk already

        def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
            pass  # Ray's scheduler stops trials, not Optuna's

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            trial = self._ot_trials[trial_id]
            found = {entry.config_id: entry for entry in SweepLogs.collect(job.out)[0]}
            entry = found.get(trial.number) or _ended(job, trial, lost=error)
            tell(self._ot_study, trial, entry)
            self._completed_trials.add(trial_id)
            weights.keep(entry)
            say_trial(entry, len(self._completed_trials), job.recipe.sweep.trials)

    begun, weights = interrupted(study), BestWeights(job, study)
    return StudySearch(space, metric=_SCORE, mode="max", study_name=NAME, storage=RDBStorage(storage_url(job)))


def _ended(job: SweepJob, trial: Any, *, lost: bool) -> Entry:
    """Write the entry of a trial whose worker could not: stopped early, or lost too often."""
    params = decode(job.parameters, trial.params)
    figures = trial_figures(job.trial_folder(trial.number), job.recipe.sweep.objective)
    if lost:
        entry = Entry(trial.number, params, error=f"its machine was lost more than {job.recipe.sweep.retries} times")
    else:
        entry = Entry(trial.number, params, **figures, pruned=True)
    write_entry(job.out, entry)
    return entry
