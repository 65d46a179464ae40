"""Start or enter a Ray cluster; one that does not answer is an error with a next step, not a defect."""

from __future__ import annotations

import os
from typing import Any

from colles.core.errors import ClusterError


def start_ray(ray: Any, **settings: Any) -> None:
    """Call `ray.init`; raise `ClusterError` where the cluster does not come up or cannot be reached."""
    try:
        ray.init(**settings)
    except Exception as error:  # Ray has no common class for them
        reason = " ".join(str(error).split())[:200]
        address = os.environ.get("RAY_ADDRESS")
        repair = (
            "Is the cluster up? `ray status` there says"
            if address
            else "A busy machine may be too slow for it: try again, or do without --engine ray"
        )
        raise ClusterError(
            f"Ray did not start ({reason})", field="RAY_ADDRESS" if address else None, repair=repair
        ) from error
