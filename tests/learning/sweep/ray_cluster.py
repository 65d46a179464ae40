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

import ray
from ray.cluster_utils import Cluster

from colles.core.recipe_text import load_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.sweep.logs import SweepLogs
from colles.learning.sweep.search import search

BUSY = 77
"""Exit code where this machine is too busy to start two nodes in Ray's time."""


def lose_one(cluster: Cluster, node: object, out: Path, searching: Future[SweepLogs]) -> None:
    """Kill the node when its trial has finished an epoch, and bring another."""
    while not list(out.glob("trials/*/metrics.csv")) and not searching.done():
        time.sleep(0.05)
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(num_cpus=1)


def main() -> None:
    catalog, split, recipe, out = (Path(argument) for argument in sys.argv[1:])
    head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
    try:
        cluster = Cluster(initialize_head=True, head_node_args=head)
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
    except Exception as error:
        print(f"no cluster: {error}")
        sys.exit(BUSY)
    # The main thread is the one that may add a node: Ray sets a signal handler there.
    with ThreadPoolExecutor(1) as pool:
        searching = pool.submit(search, Catalog.load(catalog), Split.load(split), load_recipe(recipe), out)
        lose_one(cluster, second, out, searching)
        logs = searching.result()
    lost = {path.parent.name for path in (out / "ray").rglob("error.txt")}
    print(f"trials {len(logs.entries)} complete {len(logs.of('complete'))} lost {len(lost)}")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
