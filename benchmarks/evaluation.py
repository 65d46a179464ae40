"""Measure AUROC, DeLong and 2,000 bootstrap replicates over groups of a million scores, against scikit-learn in a loop.

    python benchmarks/evaluation.py [--n 1000000] [--replicates 2000] [--peer-replicates 5]

scikit-learn's loop is timed on a few replicates, between ours, and scaled up: all of it takes a quarter of an hour.
Prints a table and writes benchmarks/evaluation.json.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from colles.core.files import write_json
from colles.core.provenance import package_versions
from colles.evaluation.metrics.bootstrap import bootstrap_ranking, percentile_interval
from colles.evaluation.metrics.delong import auroc_variance
from colles.evaluation.metrics.ranking import auroc
from colles.evaluation.scores import Scores, dense

RESULT = Path(__file__).with_suffix(".json")
GROUP_ROWS = 3
"""Mean rows a group."""


def simulate(n: int, seed: int = 0) -> Scores:
    """Return binormal scores (AUROC about 0.86) of patients with three images on average, a fifth of them fractured."""
    rng = np.random.default_rng(seed)
    groups = np.unique(rng.integers(0, n // GROUP_ROWS, n), return_inverse=True)[1]
    y_true = rng.random(groups.max() + 1)[groups] < 0.2
    shared, own = rng.normal(size=groups.max() + 1)[groups], rng.normal(size=n)
    return Scores(y_true, expit(1.5 * y_true + (shared + own) / np.sqrt(2)), dense(groups))


@dataclass
class Clock:
    """Seconds of wall clock and of processor time (all threads) that pieces of work took together."""

    wall: float = 0.0
    cpu: float = 0.0

    def run(self, work: Callable[[], Any]) -> Any:
        """Do a piece of work and add its time."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return result


def scikit_learn_loop(scores: Scores, replicates: int, seed: int = 0) -> np.ndarray:
    """Draw groups, gather their rows, and call scikit-learn, as is usually done."""
    assert scores.groups is not None
    rng = np.random.default_rng(seed)
    order = np.argsort(scores.groups, kind="stable")
    sizes = np.bincount(scores.groups)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    found = []
    for _ in range(replicates):
        drawn = rng.integers(0, len(sizes), len(sizes))
        lengths = sizes[drawn]
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = order[np.repeat(first[drawn], lengths) + offsets]
        found.append(roc_auc_score(scores.y_true[rows], scores.y_score[rows]))
    return np.array(found)


def measure(n: int, replicates: int, peer_replicates: int) -> dict[str, Any]:
    """Time both ways on the same scores, in turns, so that other load on the machine meets both alike."""
    scores, load = simulate(n), os.getloadavg()[0]
    delong, ours, peers = Clock(), Clock(), Clock()
    value, variance = delong.run(lambda: auroc_variance(scores.y_true, scores.y_score, groups=scores.groups))
    drawn, found, memory = [], [], 0.0
    for turn in range(peer_replicates):
        share = replicates // peer_replicates + (turn < replicates % peer_replicates)
        part = ours.run(lambda s=share, t=turn: bootstrap_ranking(scores, {"auroc": auroc}, replicates=s, seed=t))
        drawn.append(part["auroc"])
        # The peer gathers rows, so only the first turn's peak is ours.
        memory = memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        found.append(peers.run(lambda t=turn: scikit_learn_loop(scores, 1, seed=t)))
    bootstrap, peer = np.concatenate(drawn), np.concatenate(found)
    scale = replicates / peer_replicates
    return {
        "n": n,
        "n_groups": scores.n_groups(),
        "replicates": replicates,
        "auroc": value,
        "se_delong_clustered": variance**0.5,
        "se_bootstrap": float(bootstrap.std()),
        "interval": percentile_interval(bootstrap, scores.n_groups(), level=0.95),
        "delong_seconds": round(delong.wall, 2),
        "bootstrap_seconds": round(ours.wall, 2),
        "processor_seconds": round(delong.cpu + ours.cpu, 2),
        "peak_memory_gib": round(memory, 3),
        "scikit_learn_replicates_timed": peer_replicates,
        "scikit_learn_seconds_scaled_to_all": round(peers.wall * scale, 1),
        "scikit_learn_processor_seconds_scaled_to_all": round(peers.cpu * scale, 1),
        "scikit_learn_mean_auroc": float(peer.mean()),
        "speed_up": round(peers.wall * scale / ours.wall, 1),
        "speed_up_processor_seconds": round(peers.cpu * scale / ours.cpu, 1),
        "load_before": round(load, 1),
        "machine": describe(),
        "versions": package_versions(),
    }


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--peer-replicates", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    found = measure(options.n, options.replicates, options.peer_replicates)
    for name, value in found.items():
        print(f"{name:38} {value}")
    write_json(options.out, found)


if __name__ == "__main__":
    main()
