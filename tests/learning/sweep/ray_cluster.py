"""A script: a cluster on this machine, a search on it, and the node that trains lost on the way.

The head computes nothing, so the first trial is on the other node, and is under way when that one is killed; a third
node takes its place. Two nodes that compute would leave to chance which trials have ended by then.

Arguments: catalog, split, recipe, folder of the search. Prints how many trials were lost with the node.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from colles.core.recipe_text import load_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.sweep.logs import SweepLogs
from colles.learning.sweep.search import search
from ray_alone import nodes, replace_node


def wait_for_an_epoch(out: Path, searching: Future[SweepLogs]) -> None:
    """Return when the first trial has finished an epoch, or the search has ended."""
    while not list(out.glob("trials/*/metrics.csv")) and not searching.done():
        time.sleep(0.05)


def main() -> None:
    catalog, split, recipe, out = (Path(argument) for argument in sys.argv[1:])
    with nodes(1) as (cluster, (second,)), ThreadPoolExecutor(1) as pool:
        searching = pool.submit(search, Catalog.load(catalog), Split.load(split), load_recipe(recipe), out)
        wait_for_an_epoch(out, searching)
        replace_node(cluster, second)
        logs = searching.result()
    lost = {path.parent.name for path in (out / "ray").rglob("error.txt")}
    print(f"trials {len(logs.entries)} complete {len(logs.of('complete'))} lost {len(lost)}")


if __name__ == "__main__":
    main()
