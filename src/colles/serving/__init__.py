"""Answers without torch: bundles, the predictor, and the tables that it fills."""
