"""Where the weights of a run, a bundle or a training lie."""

from __future__ import annotations

from pathlib import Path

from colles.core.errors import MissingInputError
from colles.serving.manifest import MANIFEST, load_manifest

ENDING = ".safetensors"


def find_weights(folder: Path) -> Path:
    """Return the weights' file of a run folder, a bundle folder, a `colles run` folder, or the file itself."""
    places = (
        folder / "checkpoints" / f"best{ENDING}",
        folder / "train" / "checkpoints" / f"best{ENDING}",
        folder / f"model{ENDING}",
    )
    for place in (folder, *places) if folder.suffix == ENDING else places:
        if place.is_file():
            return place
    if (folder / MANIFEST).is_file() and load_manifest(folder).left_out:
        repair = f"Fetch the full one: colles bundle get {folder.name} --out models/{folder.name}"
        raise MissingInputError("this copy of the bundle came without its weights", path=folder, repair=repair)
    looked = ", ".join(str(place.relative_to(folder)) for place in places)
    raise MissingInputError(f"no trained weights; looked for {looked}", path=folder, repair="Name a run or a bundle")
