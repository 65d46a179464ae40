"""Add to a fabricated run what only some runs hold: worth, robustness, studies, scores of the heat maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from colles.core.files import write_json

PREVALENCES = (0.01, 0.05, 0.1, 0.3, 0.5)


def figure(value: float, half: float = 0.05, n: int = 100) -> dict[str, Any]:
    """Return an Estimate as JSON."""
    return {"value": value, "low": value - half, "high": value + half, "level": 0.95, "method": "made", "n": n,
            "n_groups": n}  # fmt: skip


def enrich(folder: Path) -> Path:
    """Write the optional parts into evaluation.json and explain/scores.json, as docs/artefacts.md has them."""
    file = folder / "evaluation" / "evaluation.json"
    evaluation = json.loads(file.read_text())
    for content in evaluation["subsets"].values():
        content["curves"]["net_benefit"] = _decision(content)
        for point in content["operating_points"].values():
            point["at_prevalence"] = [_predictive(point["figures"], share) for share in PREVALENCES]
    points = list(evaluation["subsets"]["test"]["operating_points"])
    evaluation["optimism"] = {name: {"sensitivity": figure(-0.017), "specificity": figure(0.02)} for name in points}
    evaluation["robustness"] = [
        _condition(kind, strength, points) for kind in ("noise", "blur", "jpeg") for strength in (1, 2, 3)
    ]
    evaluation["levels"] = {"study": _level(evaluation)}
    write_json(file, evaluation)
    write_json(folder / "explain" / "scores.json", _scores())
    return folder


def _decision(content: dict[str, Any]) -> dict[str, list[float | None]]:
    share = content["n_positive"] / content["n"]
    threshold = [t / 100 for t in range(1, 61)]
    model = [share * (1 - t) for t in threshold]
    everybody = [share - (1 - share) * t / (1 - t) for t in threshold]
    return {"threshold": threshold, "model": model, "low": [m - 0.03 for m in model],
            "high": [*(m + 0.03 for m in model[:-1]), None], "all": everybody}  # fmt: skip


def _predictive(figures: dict[str, Any], share: float) -> dict[str, Any]:
    sensitivity, specificity = figures["sensitivity"]["value"], figures["specificity"]["value"]
    found, alarms = sensitivity * share, (1 - specificity) * (1 - share)
    ppv, npv = found / (found + alarms), specificity * (1 - share) / (specificity * (1 - share) + share - found)
    return {"prevalence": share, "ppv": figure(ppv, 0.0), "npv": figure(npv, 0.0)}


def _condition(kind: str, strength: int, points: list[str]) -> dict[str, Any]:
    figures = {"auroc": figure(0.88 - 0.03 * strength), "auroc_unchanged": figure(0.88, n=120),
               "auroc_change": figure(-0.03 * strength)}  # fmt: skip
    flips = {name: {"figures": {"flips": figure(0.02 * strength, 0.01)}} for name in points}
    return {"subset": "test", "column": "condition", "value": f"{kind} {strength}", "kind": kind, "strength": strength,
            "n": 120, "n_positive": 30, "n_groups": 20, "figures": figures, "operating_points": flips,
            "warning": None}  # fmt: skip


def _level(evaluation: dict[str, Any]) -> dict[str, Any]:
    subsets = {"test": evaluation["subsets"]["test"]}
    candidates = {"max": figure(0.9), "mean": figure(0.88), "noisy_or": figure(0.89)}
    told = {"unit": "study", "aggregation": "max", "chosen_on": "val", "images_per_unit": 1.9, "calibration": None}
    return {**told, "candidates": candidates, "subsets": subsets, "operating_points": evaluation["operating_points"]}


def _scores() -> dict[str, Any]:
    check = {"passed": False, "sentence": "The map hardly changes when the weights are drawn anew."}
    gradcam = {"title": "Grad-CAM", "role": "method", "n": 60, "figures": {"pointing": figure(0.3), "iou": figure(0.1)},
               "checks": {"randomisation": check}, "warnings": ["does not depend on the weights"],
               "subgroups": [{"column": "image_size", "value": "under 500 px", "n": 41,
                              "figures": {"pointing": figure(0.21), "pointing_margin": figure(0.52)}}],
               "froc": [{"false_boxes_per_image": 0.25, "recall": figure(0.4)}], "froc_images": 90}  # fmt: skip
    centre = {"title": "Centre of the picture", "role": "chance", "n": 60, "figures": {"pointing": figure(0.07)}}
    probe = {"name": "marker", "n": 12, "change": figure(-0.4), "auroc_before": 0.9, "auroc_after": 0.8, "found": True,
             "sentence": "Covering the side marker lowers the score."}  # fmt: skip
    return {"schema_version": 1, "subset": "test", "n": 60, "n_groups": 40, "n_boxes": 71, "default": "gradcam",
            "margin": 0.0625, "margin_of": "longer side", "methods": {"gradcam": gradcam, "centre": centre},
            "probes": [probe], "notes": ["2 images had no box."]}  # fmt: skip
