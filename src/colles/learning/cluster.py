"""The Ray cluster that searches and trainings are shared out on."""

from __future__ import annotations

import os

from colles.core.extras import require
from colles.core.ray_start import start_ray


def connect() -> None:
    """Enter the cluster of RAY_ADDRESS, or start one on this machine; raise `MissingExtraError` without Ray, and
    `ClusterError` where it does not start.

    Ray itself opens ports on all interfaces; run it in a network that you trust.
    """
    ray = require("ray", "ray")
    if not ray.is_initialized():
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        start_ray(ray, address=os.environ.get("RAY_ADDRESS"), include_dashboard=False, log_to_driver=False)
