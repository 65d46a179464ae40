"""A script: a cluster of two nodes on this machine, a training by one process on each.

Arguments: catalog, split, recipe, run folder, and `lose` to kill a node after the first epoch.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from colles.core.recipe_text import load_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.training import train

BUSY = 77
"""Exit code where this machine is too busy to start two nodes in Ray's time."""


def main() -> None:
    catalog, split, recipe, out = (Path(argument) for argument in sys.argv[1:5])
    head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
    try:
        cluster = Cluster(initialize_head=True, head_node_args=head)
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
    except Exception as error:
        print(f"no cluster: {error}")
        sys.exit(BUSY)
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(train, Catalog.load(catalog), Split.load(split), load_recipe(recipe), out)
        if "lose" in sys.argv:
            while not (out / "checkpoints" / "resume_all.ckpt").is_file() and not training.done():
                time.sleep(0.05)
            if training.done():
                training.result()
            print(f"lost after {len((out / 'metrics.csv').read_text().splitlines()) - 1} epochs")
            cluster.remove_node(nodes[1], allow_graceful=False)
            cluster.add_node(num_cpus=1)
        training.result()
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
