"""The practicum's seven weeks as calls that a notebook can show: data found, stages run quietly, results as tables.

Everything here calls other rooms; `notebooks/*.ipynb` call this and draw what comes back.
"""

from colles.flow.practicum.pictures import as_jpeg
from colles.flow.practicum.runs import fine_tune, judge, search, train_model
from colles.flow.practicum.shipped import explain_shipped, shipped
from colles.flow.practicum.tables import (
    excluded_table,
    images_table,
    issues_table,
    models_table,
    points_table,
    trials_table,
)
from colles.flow.practicum.variants import draw_part, with_split, with_test_copies
from colles.flow.practicum.walk import Practicum, open_practicum, prepare, quiet

__all__ = [
    "Practicum",
    "as_jpeg",
    "draw_part",
    "excluded_table",
    "explain_shipped",
    "fine_tune",
    "images_table",
    "issues_table",
    "judge",
    "models_table",
    "open_practicum",
    "points_table",
    "prepare",
    "quiet",
    "search",
    "shipped",
    "train_model",
    "trials_table",
    "with_split",
    "with_test_copies",
]
