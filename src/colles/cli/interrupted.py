"""Ctrl-C as the program ends it."""

from __future__ import annotations


class Interrupted(BaseException):
    """Ctrl-C, under a name that typer does not end the process at without a word."""
