"""A graph to 8-bit integers, kept only where it hardly changes an answer."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from colles.core.recipe import ExportRecipe
from colles.learning.onnx_graph import INPUT, strip
from colles.serving.decision import DecisionRule

FloatArray = NDArray[np.float64]


def quantise(graph: bytes, batches: Sequence[NDArray[np.float32]]) -> bytes:
    """Return the int8 form of a graph, its ranges taken from batches (N, C, S, S) of training images.

    Static, QDQ, weights by channel as signed and activations as unsigned bytes, ranges from minimum to maximum. The
    same graph and batches give the same bytes.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, _quiet():
        plain, prepared, small = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "small"))
        plain.write_bytes(graph)
        # Symbolic shape inference fails on the free batch size; the plain one is enough for convolutions.
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(small),
            _Batches(batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        made = onnx.load(str(small))
    strip(made)
    return bytes(made.SerializeToString(deterministic=True))


class _Batches:
    """What ONNX Runtime calls a calibration data reader."""

    def __init__(self, batches: Sequence[NDArray[np.float32]]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = iter({INPUT: batch} for batch in batches)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


def judge_int8(
    y_true: NDArray[np.int64], fp32: FloatArray, int8: FloatArray, rule: DecisionRule, recipe: ExportRecipe
) -> dict[str, Any]:
    """Return what int8 changes on labelled images, and whether it is kept, for the metadata.

    Kept where AUROC falls by less than `int8_auroc_fall` and at most `int8_flips` of the decisions differ.
    """
    from sklearn.metrics import roc_auc_score

    flipped = float(np.mean([rule.decide(a) != rule.decide(b) for a, b in zip(fp32, int8, strict=True)]))
    found: dict[str, Any] = {"judged_on": len(y_true), "flipped": round(flipped, 6)}
    found["max_difference"] = float(f"{np.abs(fp32 - int8).max():.2g}")
    if len(np.unique(y_true)) < 2:
        return found | {"kept": False, "reason": "one class only on val, so AUROC is unknown"}
    before, after = (float(roc_auc_score(y_true, scores)) for scores in (fp32, int8))
    found |= {"auroc_fp32": round(before, 6), "auroc_int8": round(after, 6)}
    if before - after >= recipe.int8_auroc_fall:
        reason = f"AUROC on val falls by {before - after:.4f}; {recipe.int8_auroc_fall} is too much"
    elif flipped > recipe.int8_flips:
        reason = f"{flipped:.1%} of the decisions on val differ; {recipe.int8_flips:.1%} are allowed"
    else:
        return found | {"kept": True, "reason": None}
    return found | {"kept": False, "reason": reason}


@contextmanager
def _quiet() -> Iterator[None]:
    # The quantiser gives advice that is followed already.
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.getLogger().setLevel(level)
