"""Silence libtiff, which prints its own lines on standard error for a damaged TIFF, without the file's name."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path

import PIL

_HANDLERS = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")


@cache
def silence_libtiff() -> bool:
    """Take the printing handlers out of Pillow's libtiff; tell whether that could be done.

    What is wrong with a file still comes back as Pillow's error. A Pillow that links another libtiff, or has it inside
    itself (Windows), goes on printing.
    """
    file = _library()
    if file is None:
        return False
    try:
        library = ctypes.CDLL(str(file))
        for name in _HANDLERS:
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
    except (OSError, AttributeError):
        return False
    return True


def _library() -> Path | None:
    # Where the wheels of Pillow keep it: auditwheel on Linux, delocate on macOS.
    package = Path(PIL.__file__).parent
    folder, pattern = (package / ".dylibs", "libtiff*.dylib")
    if sys.platform.startswith("linux"):
        folder, pattern = package.parent / "pillow.libs", "libtiff*.so*"
    return next(iter(sorted(folder.glob(pattern))), None)
