"""Figures as pure functions of `(y_true, y_score)`; `_score` is better when higher, `_error` when lower."""
