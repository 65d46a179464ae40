"""Import optional libraries, or say which extra brings them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from colles.core.errors import MissingExtraError


def require(module: str, extra: str) -> Any:
    """Import `module`; raise `MissingExtraError` naming `extra` where it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] != error.name.split(".")[0]:
            raise
        raise MissingExtraError(
            f"this needs {module.split('.')[0]}, which is not installed",
            repair=f"pip install 'colles[{extra}]'",
        ) from error
