"""Data that others published with their results."""

from __future__ import annotations

import numpy as np

HANLEY_NORMAL, HANLEY_ABNORMAL = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]


def hanley() -> tuple[np.ndarray, np.ndarray]:
    """Return the ratings of 109 CT images (Hanley JA, McNeil BJ, Radiology 1982; 143: 29–36, table I)."""
    y_true = np.repeat([False, True], [58, 51])
    return y_true, np.repeat([1.0, 2, 3, 4, 5, 1, 2, 3, 4, 5], HANLEY_NORMAL + HANLEY_ABNORMAL)


# DeLong's own example: 43 of 49 patients with ovarian cancer; albumin, total protein, K-G score, whether surgery failed
# (SAS/STAT User's Guide, PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves").
DELONG = """30 58 10 0 32 63 5 1 39 68 3 1 28 48 6 0 32 58 3 1 09 40 5 0 25 57 8 0 16 56 5 1 38 57 5 1 37 67 6 1
32 54 4 1 38 66 6 1 41 66 5 1 36 57 5 1 43 70 4 1 36 67 4 0 23 44 6 1 42 76 4 0 40 66 6 0 35 58 6 1 38 68 7 1
30 47 8 0 45 74 5 1 37 74 5 1 31 66 6 1 41 82 6 1 43 70 5 1 43 65 4 1 32 51 5 1 26 47 6 1 33 68 6 0 17 40 7 0
37 61 5 1 33 63 7 1 42 77 6 1 35 62 5 1 29 57 9 0 21 48 7 1 28 62 8 0 40 70 7 1 33 57 6 1 37 69 5 1 36 66 5 1"""


def delong_data() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return who failed, and albumin, K-G score and total protein turned so that high means failure."""
    albumin, protein, score, popind = np.array(DELONG.split(), dtype=float).reshape(-1, 4).T
    return popind == 0, [-albumin, score, -protein]
