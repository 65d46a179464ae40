"""The memory of a search: an Optuna study in SQLite that both engines ask for points and tell what became of them."""

from __future__ import annotations

from typing import Any

from colles.core.errors import StaleInputError
from colles.core.extras import require
from colles.core.files import sha256_json
from colles.learning.sweep.entries import Entry
from colles.learning.sweep.space import Parameter, encode
from colles.learning.sweep.trial import SweepJob

NAME = "colles"
_DIGEST = "colles_search"


def open_study(job: SweepJob) -> Any:
    """Open or begin `study.db`; raise `StaleInputError` where it is something else, or of another space."""
    optuna = require("optuna", "train")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sweep, file = job.recipe.sweep, job.out / "study.db"
    pruner = optuna.pruners.NopPruner()
    if sweep.prune:
        pruner = optuna.pruners.MedianPruner(sweep.startup_trials, max(0, sweep.warmup_epochs - 1))
    try:
        study = optuna.create_study(
            study_name=NAME, storage=storage_url(job), direction="maximize", pruner=pruner, load_if_exists=True
        )
    except Exception as error:  # SQLAlchemy's and Optuna's errors have no common base
        reason = " ".join(str(error).split())[:120]
        raise StaleInputError(
            f"not a storage of Optuna ({reason})", path=file, repair="Move it away, or search into another folder"
        ) from error
    digest, known = sha256_json(job.inputs()), study.user_attrs.get(_DIGEST)
    if known != digest and (known or study.trials):
        repair = "Search into another folder, or move the file away"
        raise StaleInputError("holds the trials of another space", path=file, repair=repair)
    study.set_user_attr(_DIGEST, digest)
    return study


def storage_url(job: SweepJob) -> str:
    """Return the study's address for Optuna."""
    return f"sqlite:///{job.out / 'study.db'}"


def interrupted(study: Any) -> list[Any]:
    """Return the trials that a kill cut off.

    Only one process works on a study (its folder is locked), so at its start a running trial is one of these.
    """
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "RUNNING"]


def take_up(study: Any, trial: Any) -> Any:
    """Return an interrupted trial so that it can be told results again; its parameters stay as they are."""
    from optuna.trial import Trial

    return Trial(study, trial._trial_id)


def create_sampler(job: SweepJob, number: int) -> Any:
    """Return the sampler of one trial: seeded by its number, so that a resumed search draws what a whole one draws."""
    from optuna.samplers import TPESampler

    seed = int(sha256_json([job.recipe.sweep.seed, number])[:8], 16)
    return TPESampler(n_startup_trials=job.recipe.sweep.startup_trials, seed=seed)


def suggest(trial: Any, parameter: Parameter) -> Any:
    """Ask Optuna for a value; a trial that has one already gives it again."""
    if parameter.kind == "choice":
        return trial.suggest_categorical(parameter.name, [encode(choice) for choice in parameter.choices])
    if parameter.kind == "int":
        step = int(parameter.step or 1)
        return trial.suggest_int(parameter.name, int(parameter.low), int(parameter.high), log=parameter.log, step=step)
    return trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log, step=parameter.step)


def tell(study: Any, trial: Any, entry: Entry) -> None:
    """Tell the study what became of a trial."""
    from optuna.trial import TrialState

    if entry.best_score is None:
        trial.set_user_attr("error", entry.error)
        study.tell(trial, state=TrialState.FAIL)
    elif entry.pruned:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, entry.best_score)
