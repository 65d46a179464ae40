"""The errors of the reported subset at the balanced point, worst first."""

from __future__ import annotations

import polars as pl

from colles.reporting.artefacts import Artefacts, Json

_POINTS = ("f1", "youden", "default")
UNLIKE = (
    "The predictions here are not those that the evaluation judged, so single scores and errors are left out; "
    "colles evaluate judges these."
)


def judging_point(run: Artefacts) -> tuple[str, Json] | None:
    """Return the operating point (name, content) whose errors are shown, the balanced one first."""
    points = run.points()
    name = next((name for name in (*_POINTS, *points) if name in points), None)
    return None if name is None else (name, points[name])


def failures_table(run: Artefacts) -> pl.DataFrame | None:
    """Return the errors of the reported subset at the balanced point, worst first; None without judged predictions.

    Columns: image_id, outcome (FN, FP), y_score, and the source where the catalog tells.
    """
    frame, judged = run.judged, judging_point(run)
    if frame is None or judged is None or "image_id" not in frame.columns:
        return None
    threshold = judged[1].get("threshold")
    called, fractured = pl.col("y_score") >= threshold, pl.col("y_true") == 1
    wrong = frame.filter((pl.col("subset") == run.reported) & (called != fractured))
    outcome = pl.when(fractured).then(pl.lit("FN")).otherwise(pl.lit("FP"))
    badness = pl.when(fractured).then(pl.col("y_score")).otherwise(-pl.col("y_score"))
    sorted_ = wrong.with_columns(outcome=outcome, _bad=badness).sort("outcome", "_bad", "image_id")
    table = sorted_.select("image_id", "outcome", "y_score")
    if run.catalog is None or "source" not in run.catalog.columns:
        return table
    columns = [name for name in ("source", "body_part", "view") if name in run.catalog.columns]
    return table.join(run.catalog.select("image_id", *columns), on="image_id", how="left", maintain_order="left")
