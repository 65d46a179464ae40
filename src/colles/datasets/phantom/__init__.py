"""Simulated radiographs with known truth: bones as attenuating solids, projected and exposed."""

from colles.datasets.phantom.write import write_phantoms

__all__ = ["write_phantoms"]
