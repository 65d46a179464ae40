"""Every error that colles raises on purpose, each with the exit code that the command line gives it.

CollesError
├── UsageError              exit 2   a bad argument
│   ├── RecipeError                  a bad key or value in a recipe
│   ├── DeviceError                  a device that this machine lacks
│   ├── ClusterError                 a cluster that does not start or cannot be reached
│   └── MissingExtraError            an optional part that is not installed
├── InputError              exit 2   an input that cannot be used
│   ├── MissingInputError            a file or folder that is not there, or is empty
│   ├── AnnotationError              a label file or row that cannot be understood
│   ├── TableError                   a table without a needed column, or with bad values in it
│   ├── UnreadableImageError         an image that cannot be decoded (never fatal for a batch)
│   ├── StaleInputError              artefacts that do not belong together (digests differ)
│   ├── DownloadError                a file that cannot be fetched, or is not the expected one
│   └── BundleError                  a bundle that is damaged, foreign, or newer than this version
├── OutputError             exit 2   an output that cannot be written
│   ├── OutputExistsError            a result that would be overwritten
│   └── StorageError                 a disk that is full or read-only
└── CheckError              exit 1   a check that failed
    ├── LeakError                    one radiograph, study or patient on both sides of a split
    ├── ParityError                  an exported model that does not give the trained model's scores
    └── TrainingError                a training run that cannot go on (loss diverged, too many broken files)
"""

from __future__ import annotations

from pathlib import Path


class CollesError(Exception):
    """State what is wrong, where, and how to repair it, in one line.

    `path` names the file, `field` the key, column or row in it, `repair` the next step.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        field: str | None = None,
        repair: str | None = None,
    ) -> None:
        self.message = message
        self.path = None if path is None else str(path)
        self.field = field
        self.repair = repair
        where = ": ".join(part for part in (self.path, field) if part)
        text = f"{where}: {message}" if where else message
        super().__init__(f"{text}. {repair}" if repair else text)


class UsageError(CollesError):
    """A bad argument."""


class RecipeError(UsageError):
    """A bad key or value in a recipe."""


class DeviceError(UsageError):
    """A device that this machine lacks."""


class ClusterError(UsageError):
    """A cluster that does not start or cannot be reached."""


class MissingExtraError(UsageError):
    """An optional part of colles that is not installed."""


class InputError(CollesError):
    """An input that cannot be used."""


class MissingInputError(InputError):
    """A file or folder that is not there, or is empty."""


class AnnotationError(InputError):
    """A label file or row that cannot be understood."""


class TableError(InputError):
    """A table without a needed column, or with bad values in it."""


class UnreadableImageError(InputError):
    """An image that cannot be decoded."""

    status: str = "unreadable"
    """What the catalog calls it: truncated, unreadable, empty, too_large or unsupported."""


class StaleInputError(InputError):
    """Artefacts that do not belong together."""


class DownloadError(InputError):
    """A file that cannot be fetched, or is not the expected one."""


class BundleError(InputError):
    """A bundle that is damaged, foreign, or newer than this version."""


class OutputError(CollesError):
    """An output that cannot be written."""


class OutputExistsError(OutputError):
    """A result that would be overwritten."""


class StorageError(OutputError):
    """A disk that is full or read-only."""


class CheckError(CollesError):
    """A check that failed."""

    exit_code = 1


class LeakError(CheckError):
    """One radiograph, study or patient on both sides of a split."""


class ParityError(CheckError):
    """An exported model that does not give the trained model's scores."""


class TrainingError(CheckError):
    """A training run that cannot go on."""
