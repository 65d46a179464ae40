"""Execute `notebooks/*.py` on simulated radiographs and write the .ipynb beside each, outputs included.

No real radiograph may be committed, so COLLES_DATA is taken away first.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"


def execute(source: Path, work: Path) -> None:
    """Run one notebook from a folder `work`, and write it with its outputs."""
    notebook = jupytext.read(source)
    resources = {"metadata": {"path": str(work)}}
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # random ones would differ on every run
        cell.metadata.pop("execution", None)  # times of day
    notebook.metadata.pop("language_info", None)  # the version of this machine's Python
    nbformat.write(notebook, source.with_suffix(".ipynb"))


def main() -> None:
    """Execute the named notebooks, or all; they share what they make."""
    os.environ.pop("COLLES_DATA", None)
    named = [FOLDER / f"{Path(name).stem}.py" for name in sys.argv[1:]]
    with TemporaryDirectory() as work:
        os.environ["COLLES_NOTEBOOK"] = work
        for source in named or sorted(FOLDER.glob("*.py")):
            print(source.name, file=sys.stderr)
            execute(source, Path(work))


if __name__ == "__main__":
    main()
