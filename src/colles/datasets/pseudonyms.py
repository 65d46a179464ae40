"""Names for patients, studies and images that cannot be turned back: digests with a secret salt.

The salt lies in a file of its own, beside the catalog as a rule. Whoever has it can test a guessed id, so it stays
where the images are; whoever has lost it gets other names from the same images.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from colles.core.errors import TableError
from colles.core.files import existing_file, storage_errors

_LEAST = 16  # characters


class Pseudonyms:
    """Give each id a name of 16 hexadecimal digits, the same for one salt."""

    def __init__(self, salt: str) -> None:
        self._salt = salt.encode("utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Pseudonyms:
        """Read the salt from a file, made where there is none (readable by its owner alone).

        Raise `TableError` where the file holds fewer than 16 characters.
        """
        file = Path(path)
        if not file.exists():
            _make(file)
        salt = existing_file(file).read_text("utf-8", errors="replace").strip()
        if len(salt) < _LEAST:
            text = f"a salt has at least {_LEAST} characters"
            raise TableError(text, path=file, repair="Delete the file, and another is made")
        return cls(salt)

    @property
    def scope(self) -> str:
        """Name of the salt itself: equal names of one kind mean one thing where their scopes are equal."""
        return self.name("scope", "")

    def name(self, kind: str, value: str) -> str:
        """Return the name of an id; `kind` (patient, study, image) keeps equal ids of two kinds apart."""
        return hmac.new(self._salt, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest()[:16]


def _make(file: Path) -> None:
    with storage_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process was quicker: its salt counts
            return
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(secrets.token_hex(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())  # names are made of it at once: a power cut must not leave it empty
