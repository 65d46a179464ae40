"""Ray for tests: cut off from every network, since it listens on all interfaces, on nodes of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BUSY = 77
"""Exit code of a script where this machine is too busy to start its nodes in Ray's time."""


def alone(*command: object) -> list[str]:
    """Return a command that runs without a network; skip where that cannot be."""
    # a namespace of users too where this is not root: there it may make one of the network
    cut_off = ["unshare", "-rn" if os.geteuid() else "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip, to run without a network")
    if subprocess.run([*cut_off, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to make a network namespace, to run without a network")
    return [*cut_off, *map(str, command)]


def run_alone(script: Path, *arguments: object) -> str:
    """Run a script that uses `nodes`, and return what it prints; skip where its nodes did not start."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "OMP_NUM_THREADS": "1",
        # short paths: Ray's sockets lie in its temporary folder, and a socket's path has at most 107 characters
        "RAY_TMPDIR": "/tmp",
        "RAY_DEDUP_LOGS": "0",
        "RAY_memory_monitor_refresh_ms": "0",  # what else this machine does is no reason to end workers
    }
    command = alone(sys.executable, script, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=1100, env=environment)
    if done.returncode == BUSY:
        pytest.skip(f"Ray did not start its nodes here in its time: {done.stdout[-200:]}")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@contextmanager
def nodes(count: int) -> Iterator[tuple[Any, list[Any]]]:
    """Start a cluster whose head computes nothing, and nodes of one processor; enter it, and end it afterwards."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
    try:
        cluster = Cluster(initialize_head=True, head_node_args=head)
        started = [cluster.add_node(num_cpus=1) for _ in range(count)]
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
    except Exception as error:
        print(f"no cluster: {error}")
        sys.exit(BUSY)
    yield cluster, started
    ray.shutdown()
    cluster.shutdown()


def replace_node(cluster: Any, node: Any) -> None:
    """Kill a node, and bring another. Only the main thread may: Ray sets a signal handler there."""
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(num_cpus=1)
