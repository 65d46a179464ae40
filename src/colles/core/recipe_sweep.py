"""The recipe's section of a search: what varies, over what, and what counts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from colles.core.section import Section, Seed


class RangeRecipe(Section):
    """A range of numbers to search; the setting itself says whether they are whole."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    log: bool = False
    """True draws evenly over the logarithm."""
    step: float | None = Field(default=None, gt=0)
    """Distance between values; None: any."""

    @model_validator(mode="after")
    def _is_a_range(self) -> RangeRecipe:
        if not self.low < self.high:
            raise ValueError("low must be below high")
        if self.step is not None and self.step > (self.high - self.low) * (1 + 1e-9):  # 0.3 - 0.1 < 0.2
            raise ValueError("step must fit between low and high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0, and no step")
        return self


class SweepRecipe(Section):
    """The search for better settings, judged on val alone."""

    engine: Literal["optuna", "ray"] = "optuna"
    """`optuna` runs one trial at a time on this machine, `ray` the same space on a cluster."""
    objective: Literal["auroc", "sensitivity_at_specificity_90", "f1"] = "auroc"
    """A trial's score is the best of its epochs; early stopping and the kept weights go by it too."""
    trials: int = Field(default=20, ge=1)
    """How many settings to try."""
    seed: Seed = 0
    """Of the sampler."""
    startup_trials: int = Field(default=5, ge=1)
    """Trials drawn at random before the sampler (TPE) has something to learn from, and before any is stopped early."""
    prune: bool = True
    """Stop a trial whose best epoch so far is below the median of the earlier trials at the same epoch."""
    warmup_epochs: int = Field(default=1, ge=0)
    """No trial is stopped before it has finished so many epochs."""
    parallel: int | None = Field(default=None, ge=1)
    """Trials at one time with `ray`; None lets the cluster's CPUs decide."""
    cpus: float = Field(default=1.0, gt=0)
    """CPUs that `ray` reserves for a trial."""
    gpus: float = Field(default=0.0, ge=0)
    """GPUs that `ray` reserves for a trial."""
    retries: int = Field(default=3, ge=0)
    """How often a trial begins again where it stopped, after `ray` has lost its machine."""
    space: dict[str, RangeRecipe | tuple[Any, ...]] = Field(default_factory=dict)
    """`section.key` → a list of choices, or `{low, high, log, step}`."""
