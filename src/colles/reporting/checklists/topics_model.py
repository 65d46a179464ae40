"""What a run can say of its network and its training, in sentences for a checklist."""

from __future__ import annotations

from typing import Any

from colles.reporting.artefacts import Artefacts, Json
from colles.reporting.formats import capital, count, point_name, subset_name, threshold


def _part(run: Artefacts, name: str) -> Json:
    found = (run.recipe or {}).get(name)
    return found if isinstance(found, dict) else {}


def kind(run: Artefacts) -> str | None:
    """Name the kind of model."""
    name = _part(run, "model").get("name")
    return None if name is None else f"Deep learning: the network {name} classifies single radiographs."


def goal(run: Artefacts) -> str | None:
    """Say what the run is."""
    if run.recipe is None or not run.subsets:
        return None
    on = "simulated radiographs" if run.simulated else "radiographs"
    judged = "external" if "external" in run.subsets else "internal"
    return f"Development and {judged} testing of a model that tells fractured {on} from others."


def design(run: Artefacts) -> str | None:
    """Say when the data came about."""
    return None if run.catalog is None else "Retrospective: the run read files that existed before the model."


def intended_use(run: Artefacts) -> str | None:
    """Give the bundle's own words."""
    use = (run.bundle or {}).get("intended_use")
    return None if not use else str(use)


def preprocessing(run: Artefacts) -> str | None:
    """Describe the pixels' path."""
    found = _part(run, "preprocess")
    if not found:
        return None
    return (
        f"EXIF rotation, grey levels, {found.get('fit')} to {found.get('size')} × {found.get('size')} pixels, "
        f"{found.get('channels')} channel(s), mean {found.get('mean')}, deviation {found.get('std')}; the same in "
        "training and in use."
    )


def augmentation(run: Artefacts) -> str | None:
    """List the random changes of training images."""
    found = _part(run, "train").get("augment")
    if not isinstance(found, dict):
        return None
    return "Random changes of training images: " + ", ".join(f"{k} {v}" for k, v in found.items()) + "."


def architecture(run: Artefacts) -> str | None:
    """Name network, parameters, input and output."""
    name = _part(run, "model").get("name")
    if name is None:
        return None
    parameters = (run.provenance or {}).get("parameters")
    size = f", {count(parameters)} parameters" if parameters else ""
    dropout = _part(run, "model").get("dropout")
    return (
        f"{name}{size}, dropout {dropout}; one output, the score of a fracture. The graph is the bundle's model.onnx."
    )


def initialisation(run: Artefacts) -> str | None:
    """Tell what the weights started from."""
    started = (run.provenance or {}).get("weights_from") or _part(run, "model").get("weights")
    return None if started is None else f"Weights started from: {started}."


def software(run: Artefacts) -> str | None:
    """List packages with versions, and the machine."""
    versions = (run.provenance or {}).get("versions")
    if not versions:
        return None
    machine = f"Python {(run.provenance or {}).get('python')} on {(run.provenance or {}).get('system')}"
    return f"{machine}; " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def training(run: Artefacts) -> str | None:
    """Give the settings of the optimisation."""
    found = _part(run, "train")
    keys = ("head_epochs", "epochs", "batch_size", "optimizer", "lr", "weight_decay", "scheduler", "sampler", "loss")
    told = ", ".join(f"{key.replace('_', ' ')} {found[key]}" for key in keys if key in found)
    if not told:
        return None
    ran = "" if run.metrics is None else f" {count(run.metrics.height)} epochs ran."
    return f"{capital(told)}, seed {(run.recipe or {}).get('seed')}.{ran} Every setting is in recipe.yaml."


def chosen_model(run: Artefacts) -> str | None:
    """Tell which epoch was kept, and why."""
    monitor = _part(run, "train").get("monitor")
    if monitor is None:
        return None
    best = (run.provenance or {}).get("best")
    epoch = best.get("epoch") if isinstance(best, dict) else None
    stage = f" of the stage “{best['stage']}”" if isinstance(best, dict) and best.get("stage") else ""
    which = "" if epoch is None else f" (epoch {int(epoch) + 1}{stage})"
    return (
        f"The epoch with the best {str(monitor).replace('_', ' ')} on validation was kept{which}; test chose nothing."
    )


def ensemble(run: Artefacts) -> str | None:
    """Say how many networks answer together."""
    if run.provenance is None or not _part(run, "model"):
        return None
    members, joined = (int(run.provenance.get(name) or 1) for name in ("members", "joined"))
    if members == 1:
        return "None: one network." if joined == 1 else f"One network: the mean weights of {joined} trainings."
    folded = " On validation each image is scored by the one that has not seen its group."
    return f"The mean logit of {members} networks.{folded if run.provenance.get('out_of_fold') else ''}"


def imbalance(run: Artefacts) -> str | None:
    """Tell how the rarer class was treated and the probabilities kept honest."""
    found = _part(run, "train")
    if "sampler" not in found:
        return None
    fitted = (run.evaluation or {}).get("calibration")
    where = subset_name(str((fitted or {}).get("fitted_on") or "val"))
    after = f"; probabilities were recalibrated on {where} ({fitted.get('method')})" if fitted else ""
    return f"Sampler {found['sampler']}, loss {found.get('loss')}{after}."


def thresholds(run: Artefacts) -> str | None:
    """List the operating points with criterion and origin."""
    points = (run.evaluation or {}).get("operating_points") or {}
    if not points:
        return None
    return "Prespecified by criterion, then locked: " + "; ".join(_threshold(n, p) for n, p in points.items()) + "."


def _threshold(name: str, point: dict[str, Any]) -> str:
    chosen = f"{point.get('criterion')}, chosen on {point.get('chosen_on')}"
    return f"{point_name(name)} {threshold(point.get('threshold'), 4)} ({chosen})"


def predictors(run: Artefacts) -> str | None:
    """Say what the model sees."""
    return (
        None if run.recipe is None else "The pixels of one radiograph are the only input; no reader measures anything."
    )


def availability(run: Artefacts) -> str | None:
    """Name the bundle."""
    bundle = run.bundle or {}
    if not bundle.get("name"):
        return None
    return (
        f"The bundle {bundle['name']} version {bundle.get('version')} holds network (ONNX), preprocessing, thresholds "
        "and calibration; `colles predict` and colles.load_bundle compute predictions from it."
    )


def repeat(run: Artefacts) -> str | None:
    """Give the command that repeats the run."""
    if run.recipe_text is None:
        return None
    version = ((run.provenance or {}).get("versions") or {}).get("colles", "")
    return (
        f"`colles run recipe.yaml --out DIR` with colles {version} repeats the run; the recipe is under “Provenance”."
    )


def blind_test(run: Artefacts) -> str | None:
    """Say that the network knows nothing but the pixels."""
    return None if run.recipe is None else "The network sees the pixels alone: no clinical data and no reference label."


def poor_input(run: Artefacts) -> str | None:
    """Tell what the software does with files it cannot use."""
    if run.bundle is None:
        return None
    gated = (
        "Pictures unlike the training radiographs are refused too; what is let through may still be no bone."
        if run.bundle.get("gate")
        else "Whether a picture is a bone is not checked."
    )
    return f"Files that cannot be decoded in full are refused with a reason. {gated}"


def auditable(run: Artefacts) -> str | None:
    """Tell where the outputs lie."""
    return (
        None
        if run.predictions is None
        else "Every score is kept in predictions.parquet, every figure in evaluation.json."
    )
