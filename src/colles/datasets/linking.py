"""Put a file under a second name: hard link, symbolic link or copy."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Literal

from colles.core.progress import say

Link = Literal["hard", "sym", "copy"]
# Another disk, a file system without hard links, a file of another owner, too many links.
_NO_HARD_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}


class Linker:
    """Place files one way; hard links that cannot be made become copies, which is said once."""

    def __init__(self, how: Link) -> None:
        self.how = how
        self._said = False

    def place(self, original: Path, target: Path) -> None:
        """Make `target` show the bytes of `original`, which stays as it is."""
        if self.how == "sym":
            target.symlink_to(original)
        elif self.how == "copy" or not self._hard_linked(original, target):
            shutil.copyfile(original, target)

    def _hard_linked(self, original: Path, target: Path) -> bool:
        try:
            os.link(original, target)
        except OSError as error:
            if error.errno not in _NO_HARD_LINK:
                raise
            if not self._said:
                say(f"Hard links to {original.parent} cannot be made ({error.strerror}); copying instead")
            self._said = True
            return False
        return True
