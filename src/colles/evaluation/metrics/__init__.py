"""Metrics and their intervals: pure functions on arrays, `y_true` before `y_score` as in scikit-learn."""
