"""A script: a cluster of two nodes on this machine, a search on it, and one node lost on the way.

Arguments: catalog, split, recipe, folder of the search. Prints how many trials were lost with the node.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from colles.core.recipe_text import load_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.sweep.search import search

BUSY = 77
"""Exit code where this machine is too busy to start two nodes in Ray's time."""


def lose_one(cluster: Cluster, node: object, out: Path) -> None:
    """Remove a node when two trials, so one on each node, have finished an epoch."""
    while len(list(out.glob("trials/*/metrics.csv"))) < 2:
        time.sleep(0.05)
    cluster.remove_node(node, allow_graceful=False)


def main() -> None:
    catalog, split, recipe, out = (Path(argument) for argument in sys.argv[1:])
    head = {"num_cpus": 1, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
    try:
        cluster = Cluster(initialize_head=True, head_node_args=head)
        second = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
    except Exception as error:
        print(f"no cluster: {error}")
        sys.exit(BUSY)
    threading.Thread(target=lose_one, args=(cluster, second, out), daemon=True).start()
    logs = search(Catalog.load(catalog), Split.load(split), load_recipe(recipe), out)
    lost = {path.parent.name for path in (out / "ray").rglob("error.txt")}
    print(f"trials {len(logs.entries)} complete {len(logs.of('complete'))} lost {len(lost)}")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
