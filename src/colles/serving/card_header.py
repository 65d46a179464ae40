"""The card's front matter: what model hubs index, in the form of Hugging Face's model card metadata.

Fields: https://huggingface.co/docs/hub/model-cards (license, library_name, pipeline_tag, tags, datasets, metrics,
model-index with one result a data set).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from colles.core.records import Estimate
from colles.serving.metadata import BundleMetadata

TAGS = ("medical-imaging", "radiography", "fracture-detection", "x-ray", "onnx", "not-a-medical-device")
_HUB_METRICS = {
    "auroc": "roc_auc",
    "average_precision": "average_precision",
    "brier": "brier_score",
    "sensitivity": "recall",
    "specificity": "specificity",
    "ppv": "precision",
    "f1": "f1",
    "mcc": "matthews_correlation",
}
"""Our figure → the hub's id of the metric, where it has one."""


def front_matter(metadata: BundleMetadata) -> str:
    """Return the YAML block between two lines of dashes."""
    results = list(_results(metadata))
    content: dict[str, Any] = {
        "license": "apache-2.0",
        "library_name": "onnx",
        "pipeline_tag": "image-classification",
        "tags": list(TAGS),
    }
    datasets = _sources(metadata)
    if datasets:
        content["datasets"] = datasets
    if results:
        content["metrics"] = list(dict.fromkeys(metric["type"] for result in results for metric in result["metrics"]))
        content["model-index"] = [{"name": metadata.name, "results": results}]
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    return f"---\n{text}---"


def _sources(metadata: BundleMetadata) -> list[str]:
    return [str(source.get("name")) for source in metadata.training.get("sources") or ()]


def _results(metadata: BundleMetadata) -> Iterator[dict[str, Any]]:
    found = metadata.evaluation
    if found is None:
        return
    sources = _sources(metadata)
    metrics = [*_metrics(found.get("figures") or {}), *_at_points(found.get("operating_points") or {})]
    if metrics and metadata.training.get("recalibrated"):
        yield _result("labelled images of one site", "site", metrics, split="site, by five folds")
    elif metrics:
        yield _result(" and ".join(sources) or "test set", "-".join(sources) or "test", metrics)
    for group in found.get("subgroups") or ():
        metrics = list(_metrics(group.get("figures") or {}))
        if group.get("column") == "source" and len(sources) > 1 and metrics:
            yield _result(str(group.get("value")), str(group.get("value")), metrics)


def _result(name: str, kind: str, metrics: list[dict[str, Any]], *, split: str = "test") -> dict[str, Any]:
    task = {"type": "image-classification", "name": "Fracture detection on radiographs"}
    return {"task": task, "dataset": {"name": name, "type": kind, "split": split}, "metrics": metrics}


def _at_points(points: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for name, figures in points.items():
        chosen = {key: figures[key] for key in ("sensitivity", "specificity", "ppv", "f1") if key in figures}
        yield from _metrics(chosen, f" at the operating point {name}")


def _metrics(figures: Mapping[str, Any], where: str = "") -> Iterator[dict[str, Any]]:
    for name, hub_name in _HUB_METRICS.items():
        if name not in figures:
            continue
        estimate = Estimate.model_validate(figures[name])
        if estimate.value is not None:
            words = name.upper() if name in ("auroc", "ppv", "mcc", "f1") else name.replace("_", " ")
            told = f"{words}{where}{_interval(estimate)}"
            yield {"type": hub_name, "value": round(estimate.value, 4), "name": told}


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" ({100 * estimate.level:g} % interval {estimate.low:.3f} to {estimate.high:.3f})"
