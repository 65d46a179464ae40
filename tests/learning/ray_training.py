"""A script: a training by one process on each of two nodes of this machine, one of them lost after the first epoch.

Arguments: catalog, split, recipe, run folder. Prints after how many epochs the node was lost.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from colles.core.recipe_text import load_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.learning.training import train
from ray_alone import nodes, replace_node


def main() -> None:
    catalog, split, recipe, out = (Path(argument) for argument in sys.argv[1:])
    with nodes(2) as (cluster, (_, second)), ThreadPoolExecutor(1) as pool:
        training = pool.submit(train, Catalog.load(catalog), Split.load(split), load_recipe(recipe), out)
        while not (out / "checkpoints" / "resume_all.ckpt").is_file() and not training.done():
            time.sleep(0.05)
        if training.done():
            training.result()
        print(f"lost after {len((out / 'metrics.csv').read_text().splitlines()) - 1} epochs")
        replace_node(cluster, second)
        training.result()


if __name__ == "__main__":
    main()
