"""From a recipe's data section to sources on this machine."""

from __future__ import annotations

from pathlib import Path

from colles.core.errors import MissingInputError, RecipeError
from colles.core.files import sha256_file, sha256_json
from colles.core.recipe import DataRecipe, SourceRecipe
from colles.datasets.registry import DATA_VARIABLE, load_registry, named_root
from colles.datasets.sources import Source, create_source, read_class_map


def data_root(data: DataRecipe, recipe_folder: Path) -> Path:
    """Return the folder that source paths are relative to.

    The recipe's `data.root` comes first, then the variable COLLES_DATA, then the recipe's folder.
    """
    if data.root:
        return recipe_folder / Path(data.root).expanduser()
    return named_root() or recipe_folder


def phantom_sources(folder: Path) -> tuple[SourceRecipe, ...]:
    """Return the two sources that `write_phantoms` leaves in a folder."""
    folder = folder.absolute()
    return (
        SourceRecipe(kind="fracatlas", path=str(folder / "FracAtlas")),
        SourceRecipe(kind="yolo", name="bonefractureyolo", path=str(folder / "bonefractureyolo")),
    )


def open_sources(data: DataRecipe, recipe_folder: Path, phantom_folder: Path, salt: Path) -> list[Source]:
    """Open every source of a recipe; raise `MissingInputError` or `RecipeError` naming what is missing.

    `salt` is the file taken where the recipe names none.
    """
    described = _described(data, phantom_folder)
    root = data_root(data, recipe_folder)
    salt = salt if data.salt is None else recipe_folder / Path(data.salt).expanduser()
    return [_open(source, root, recipe_folder, salt) for source in described]


def check_sources(data: DataRecipe, recipe_folder: Path) -> None:
    """Raise as `open_sources` does, before phantoms and salt are made."""
    root = data_root(data, recipe_folder)
    _described(data, recipe_folder)
    for source in data.sources:
        _place(source, root)
        read_class_map(_class_map(source, recipe_folder))


def _described(data: DataRecipe, phantom_folder: Path) -> tuple[SourceRecipe, ...]:
    described = data.sources
    if data.phantom is not None:
        described = (*described, *phantom_sources(phantom_folder))
    if not described:
        raise RecipeError("no data", field="data.sources", repair="Name a source, or set data.phantom")
    names = [source.name or source.kind for source in described]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"two sources are called {name!r}", field="data.sources", repair="Give one a `name:`")
    return described


def _open(source: SourceRecipe, root: Path, recipe_folder: Path, salt: Path) -> Source:
    class_map = _class_map(source, recipe_folder)
    return create_source(source.kind, _place(source, root), source.name, class_map, source.boxes_on, salt)


def _place(source: SourceRecipe, root: Path) -> Path:
    path = root / Path(source.path).expanduser()
    if not path.exists():
        raise MissingInputError(
            f"the source {source.name or source.kind} is not there",
            path=path,
            repair=f"Put it there, or name its parent: {DATA_VARIABLE}=/path/to/data (or data.root in the recipe)"
            + _how_to_fetch(path.name),
        )
    return path


def _class_map(source: SourceRecipe, recipe_folder: Path) -> dict[str, int | None] | str | None:
    file = source.class_map
    return str(recipe_folder / Path(file).expanduser()) if isinstance(file, str) else file


def _how_to_fetch(folder: str) -> str:
    known = [item for item in load_registry().values() if item.folder == folder]
    return f"; `colles data get {known[0].name}` fetches it, or says how" if known else ""


def digest_source(source: Source) -> str:
    """Digest all that the rows of a source come from: its files' names and bytes, its class map, its salt."""
    files = [(str(path), _digest(path)) for path in source.files()]
    salt = None if source.salt is None else _digest(Path(source.salt))
    return sha256_json([files, source.class_map, salt])


def _digest(path: Path) -> str:
    try:
        return sha256_file(path) if path.is_file() else "no file"  # a pipe would never end
    except OSError as error:
        return f"unreadable: {error.errno}"
