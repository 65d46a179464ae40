"""Whether a bundle's 8-bit network may answer in place of the one it was made from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.recipe import ExportRecipe
from colles.serving.decision import DecisionRule

FloatArray = NDArray[np.float64]


def judge_int8(
    y_true: NDArray[np.int64],
    fp32: FloatArray,
    int8: FloatArray,
    rule: DecisionRule,
    recipe: ExportRecipe,
    *,
    where: str = "val",
) -> dict[str, Any]:
    """Return what int8 changes on labelled images, and whether it is kept, for the metadata.

    `y_true` (N,) 0 or 1; the scores of both networks (N,), 0–1; `where` names the images. Kept where AUROC falls by
    less than `int8_auroc_fall` and at most `int8_flips` of the decisions differ.
    """
    from sklearn.metrics import roc_auc_score

    flipped = float(np.mean([rule.decide(a) != rule.decide(b) for a, b in zip(fp32, int8, strict=True)]))
    found: dict[str, Any] = {"judged_on": len(y_true), "subset": where, "flipped": round(flipped, 6)}
    found["max_difference"] = float(f"{np.abs(fp32 - int8).max():.2g}")
    if len(np.unique(y_true)) < 2:
        return found | {"kept": False, "reason": f"one class only on {where}, so AUROC is unknown"}
    before, after = (float(roc_auc_score(y_true, scores)) for scores in (fp32, int8))
    found |= {"auroc_fp32": round(before, 6), "auroc_int8": round(after, 6)}
    if before - after >= recipe.int8_auroc_fall:
        reason = f"AUROC on {where} falls by {before - after:.4f}; {recipe.int8_auroc_fall} is too much"
    elif flipped > recipe.int8_flips:
        reason = f"{flipped:.1%} of the decisions on {where} differ; {recipe.int8_flips:.1%} are allowed"
    else:
        return found | {"kept": True, "reason": None}
    return found | {"kept": False, "reason": reason}
