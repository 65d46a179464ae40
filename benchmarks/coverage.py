"""Simulate studies and count how often each interval holds the truth; 95 % is what they promise.

    python benchmarks/coverage.py [--studies 1000] [--replicates 500] [--only NAME] [--merge]

Binormal scores of lone images and of patients with one to five images that share a part of their noise. Prints a table
and writes benchmarks/coverage.json; `--only` with `--merge` repeats one design and keeps the others.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from colles.core.files import read_json, write_json
from colles.core.provenance import package_versions
from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.estimates import ranking_estimates
from colles.evaluation.metrics.ranking import RANKING_FIGURES
from colles.evaluation.point_estimates import share_estimates
from colles.evaluation.scores import Scores
from colles.evaluation.worth import at_prevalences, likelihood_ratios

RESULT = Path(__file__).with_suffix(".json")
FIGURES = {name: RANKING_FIGURES[name] for name in ("auroc", "average_precision", "partial_auroc")}
THRESHOLDS = 0.6, 0.8
"""Every study draws its own: at one threshold the coverage of any interval of a count swings with the count's size."""
PREVALENCE = 0.1
"""At which PPV and NPV are held against the truth."""
REQUIRED = ("auroc", "auroc_delong", "auroc_bootstrap", "average_precision", "sensitivity", "specificity")
"""Figures whose coverage must lie within 93–97 %; the others are shown."""
BOUNDS = 0.93, 0.97


@dataclass(frozen=True)
class Design:
    """A kind of study."""

    positive: int
    """Groups (patients) with a fracture."""
    negative: int
    delta: float
    """Distance of the classes in standard deviations: AUROC = Φ(delta / √2)."""
    clustered: bool
    """One to five images a group with half of the noise's variance in common; else one."""

    @property
    def name(self) -> str:
        """Short name."""
        return f"{self.positive}+{self.negative} d{self.delta:g}" + (" clustered" if self.clustered else "")


DESIGNS = tuple(
    Design(positive, negative, delta, clustered)
    for positive, negative, delta in ((50, 50, 2.5), (50, 50, 1.0), (60, 200, 1.5))
    for clustered in (False, True)
)


def draw(rng: np.random.Generator, design: Design, times: int = 1) -> Scores:
    """Draw one study, `times` as large."""
    positive, count = design.positive * times, (design.positive + design.negative) * times
    sizes = rng.integers(1, 6, count) if design.clustered else np.ones(count, dtype=int)
    groups = np.repeat(np.arange(count), sizes)
    y_true = groups < positive
    noise = np.sqrt(0.5) * (rng.normal(size=count)[groups] + rng.normal(size=len(groups)))
    return Scores(y_true, expit(design.delta * y_true + noise), groups if design.clustered else None)


def truth_of_order(rng: np.random.Generator, design: Design) -> dict[str, float]:
    """Return the true areas: the AUROC in closed form, the others of a study 2,000 times as large."""
    large = draw(rng, design, 2000)
    return {
        "auroc": float(norm.cdf(design.delta / np.sqrt(2))),
        "average_precision": float(average_precision_score(large.y_true, large.y_score)),
        "partial_auroc": float(roc_auc_score(large.y_true, large.y_score, max_fpr=0.1)),
    }


def truth_at(threshold: float, design: Design) -> dict[str, float]:
    """Return the true figures at a threshold, all in closed form."""
    cut = np.log(threshold / (1 - threshold))
    sensitivity, specificity = float(norm.sf(cut - design.delta)), float(norm.cdf(cut))
    ratios = sensitivity / (1 - specificity), (1 - sensitivity) / specificity
    odds = PREVALENCE / (1 - PREVALENCE)
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "lr_positive": ratios[0],
        "lr_negative": ratios[1],
        "ppv_at_10": ratios[0] * odds / (1 + ratios[0] * odds),
        "npv_at_10": 1 / (1 + ratios[1] * odds),
    }


def estimates(scores: Scores, threshold: float, recipe: EvaluateRecipe) -> dict[str, Estimate]:
    """Return every figure of one study."""
    found = ranking_estimates(scores, recipe, FIGURES, both_methods=True)
    shares = share_estimates(scores, threshold, recipe)
    ratios = likelihood_ratios(shares["sensitivity"], shares["specificity"])
    worth = next(row for row in at_prevalences(ratios) if row.prevalence == PREVALENCE)
    return {**found, **shares, **ratios, "ppv_at_10": worth.ppv, "npv_at_10": worth.npv}


def holds(estimate: Estimate | None, value: float) -> bool:
    """Tell whether an interval holds a value; a missing end reaches to infinity, a missing estimate holds nothing."""
    if estimate is None or estimate.method == "undefined":
        return False
    low, high = estimate.low, estimate.high
    return (low is None or low <= value) and (high is None or value <= high)


def measure(design: Design, studies: int, replicates: int) -> dict[str, Any]:
    """Return the coverage of every figure over `studies` simulated studies of one design."""
    started, rng = time.perf_counter(), np.random.default_rng(1)
    areas = truth_of_order(rng, design)
    areas |= {"auroc_delong": areas["auroc"], "auroc_bootstrap": areas["auroc"]}
    held: dict[str, int] = {}
    for seed in range(studies):
        threshold = rng.uniform(*THRESHOLDS)
        found = estimates(draw(rng, design), threshold, EvaluateRecipe(replicates=replicates, seed=seed))
        for name, value in (areas | truth_at(threshold, design)).items():
            held[name] = held.get(name, 0) + holds(found.get(name), value)
    coverage = {name: round(count / studies, 4) for name, count in held.items()}
    return {
        **asdict(design),
        "studies": studies,
        "replicates": replicates,
        "true_areas": {name: round(value, 4) for name, value in areas.items()},
        "coverage": coverage,
        "required_within_93_97": all(BOUNDS[0] <= coverage[name] <= BOUNDS[1] for name in REQUIRED),
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    """Run the simulation from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--only", default=None, help="one design by name")
    parser.add_argument("--merge", action="store_true", help="keep the other designs of coverage.json")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    from machine import describe  # this file's folder is on the path of a script only

    results = read_json(options.out)["designs"] if options.merge and options.out.is_file() else {}
    for design in DESIGNS:
        if options.only not in (None, design.name):
            continue
        results[design.name] = measure(design, options.studies, options.replicates)
        print(design.name, results[design.name]["coverage"], flush=True)
        ordered = {d.name: results[d.name] for d in DESIGNS if d.name in results}
        told = {"machine": describe(), "versions": package_versions()}
        write_json(options.out, {"level": 0.95, "designs": ordered, **told})


if __name__ == "__main__":
    main()
