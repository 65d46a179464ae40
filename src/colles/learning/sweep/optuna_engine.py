"""Search on one machine with Optuna, one trial after the other: TPE, and a median pruner that stops bad trials early.

The sampler is seeded anew by the number of each trial and an interrupted trial is taken up again, so a search that was
killed ends like one that was not.
"""

from __future__ import annotations

import warnings
from typing import Any

from colles.learning.sweep.entries import Entry, write_entry
from colles.learning.sweep.space import decode
from colles.learning.sweep.study import create_sampler, interrupted, open_study, suggest, take_up, tell
from colles.learning.sweep.trial import SweepJob, run_trial, say_trial
from colles.learning.sweep.weights import BestWeights


def run_optuna(job: SweepJob) -> None:
    """Run trials until `sweep.trials` are done, failed ones included."""
    study, total = open_study(job), job.recipe.sweep.trials
    weights = BestWeights(job, study)
    while interrupted(study) or len(study.trials) < total:
        trial = _next_trial(study, job)
        entry = _run(study, trial, job)
        weights.keep(entry)
        say_trial(entry, trial.number + 1, total)


def _next_trial(study: Any, job: SweepJob) -> Any:
    begun = interrupted(study)
    study.sampler = create_sampler(job, begun[0].number if begun else len(study.trials))
    trial = take_up(study, begun[0]) if begun else study.ask()
    for parameter in job.parameters:
        suggest(trial, parameter)
    return trial


def _run(study: Any, trial: Any, job: SweepJob) -> Entry:
    def report(epoch: int, value: float) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a resumed trial tells some epochs twice; the first time counts
            trial.report(value, epoch)
        return bool(trial.should_prune())

    entry = run_trial(job, trial.number, decode(job.parameters, trial.params), report)
    write_entry(job.out, entry)
    tell(study, trial, entry)
    return entry
