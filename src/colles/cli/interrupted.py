"""Ctrl-C, and a pipe that nobody reads, as the program ends them."""

from __future__ import annotations


class Interrupted(BaseException):
    """Ctrl-C, under a name that typer does not end the process at without a word."""


class Unread(BaseException):
    """Nobody reads what the program prints, under a name that typer does not end with the code of a check."""
