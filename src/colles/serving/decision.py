"""From a score to a decision, by the two operating points rule_out and rule_in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from colles.core.errors import BundleError
from colles.core.records import OperatingPoint

Decision = Literal["fracture", "no_fracture", "uncertain"]


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """score < rule_out: no_fracture; score ≥ rule_in: fracture; between them: uncertain."""

    rule_out: float
    rule_in: float
    points: tuple[str, str] = field(default=("rule_out", "rule_in"), compare=False)
    """Names of the operating points that gave the two; the same one twice where one threshold decides alone."""

    @classmethod
    def from_operating_points(cls, points: Mapping[str, OperatingPoint]) -> DecisionRule:
        """Take rule_out and rule_in; where they cross or one is missing, f1 (else default) alone.

        They cross (rule_in < rule_out) where one threshold satisfies both criteria with room to spare. Raise
        `BundleError` where neither the pair nor f1 is there.
        """
        low, high = points.get("rule_out"), points.get("rule_in")
        if low is not None and high is not None and low.threshold <= high.threshold:
            return cls(low.threshold, high.threshold)
        name = "f1" if "f1" in points else "default"
        if name not in points:
            raise BundleError(
                "no operating points to decide by: neither rule_out below rule_in, nor f1",
                field="operating_points",
                repair="Export again with an evaluation",
            )
        return cls(points[name].threshold, points[name].threshold, (name, name))

    def decide(self, score: float) -> Decision:
        """Return the decision on a score (0–1)."""
        if score >= self.rule_in:
            return "fracture"
        return "no_fracture" if score < self.rule_out else "uncertain"
