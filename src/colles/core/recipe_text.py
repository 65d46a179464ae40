"""Read a recipe from YAML and `--set` overrides, and write the resolved one back.

Every mistake is one line that names the file, the key and the nearest known key or the allowed values.
"""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.constructor import ConstructorError

from colles.core.errors import RecipeError
from colles.core.files import existing_file, write_text
from colles.core.names import nearest
from colles.core.recipe import RECIPE_VERSION, Recipe

_OTHER_NAMES = {
    "learning_rate": "lr",
    "image_size": "size",
    "img_size": "size",
    "num_epochs": "epochs",
    "num_workers": "workers",
    "pretrained": "weights",
    "architecture": "name",
}
"""What other tools call the same keys."""
_KINDS = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a table of keys",
    "model_type": "must be a table of keys",
    "finite_number": "must be a finite number",
    "missing": "is missing",
}
"""pydantic's kinds of errors, in words."""
_MOST_VALUES = 100_000
"""Of a recipe, with what its aliases repeat."""
_UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)
"""What PyYAML raises for slips: of 2025-02-30, a number of 5000 digits, `!!bool perhaps`, `!!timestamp soon`, [[[[…"""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100


class _EachKeyOnce(yaml.SafeLoader):
    """YAML in which a key written twice is an error; PyYAML would silently drop what stands under the first.

    So are aliases that repeat each other without end: a few lines of them fill any memory.
    """

    def get_single_node(self) -> yaml.Node | None:
        """Return the tree of the document; raise `ConstructorError` for one that is too large."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _written_out(node, {}) > _MOST_VALUES:
            raise ConstructorError(None, None, f"more than {_MOST_VALUES} values, with what aliases repeat", None)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping; raise `ConstructorError` for a key that it has twice."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):  # others are refused below
            if key.value in seen:
                raise ConstructorError(None, None, f"the key {key.value!r} is written twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    number = loader.construct_yaml_int(node)
    str(number)  # that of 0xff…, too, has an end: Python's ValueError
    return int(number)


_EachKeyOnce.add_constructor("tag:yaml.org,2002:int", _whole_number)


def _written_out(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values of a tree, those under an alias each time that they are repeated."""
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES  # of a node within itself
        parts = chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
        leaf = isinstance(node, yaml.ScalarNode)
        known[id(node)] = 1 + (0 if leaf else sum(_written_out(part, known) for part in parts))
    return known[id(node)]


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file and apply `section.key=value` overrides (values are YAML).

    Paths in it stay as they are written. Raise `MissingInputError` or `RecipeError`.
    """
    file = existing_file(path, repair="Name a recipe, such as recipes/demo.yaml")
    try:
        values = yaml.load(file.read_text(encoding="utf-8"), _EachKeyOnce) or {}
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"not valid YAML ({reason})", path=file, repair="Mend the file") from error
    if not isinstance(values, dict):
        raise RecipeError("a recipe is a table of sections", path=file, repair="Begin with `name: …`")
    return recipe_from(values, overrides, path=file)


def recipe_from(values: dict[str, Any], overrides: Iterable[str] = (), *, path: Path | None = None) -> Recipe:
    """Build a recipe from plain values and overrides; raise `RecipeError` naming `path` and the key."""
    merged, given = copy.deepcopy(values), tuple(overrides)
    for text in given:
        _override(merged, text)
    _assert_version(merged.get("recipe_version", RECIPE_VERSION), path)
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, merged, path, [text.partition("=")[0].strip() for text in given]) from error


def _assert_version(version: Any, path: Path | None) -> None:
    if isinstance(version, int) and not isinstance(version, bool) and 1 <= version <= RECIPE_VERSION:
        return
    write = f"write recipe_version: {RECIPE_VERSION}, or leave it out"
    if not isinstance(version, int) or isinstance(version, bool):
        message, repair = f"{_SHORT.repr(version)} is no version", f"Versions are whole numbers: {write}"
    elif version < 1:
        message = f"{_SHORT.repr(version)} is older than 1, the oldest that there is"
        repair = f"{write.capitalize()}; a key that is unknown today is then named, with the nearest known one"
    else:
        message = f"{_SHORT.repr(version)} is newer than {RECIPE_VERSION}, the newest that this version of colles reads"
        repair = f"Update colles; or take out what is new in it and {write}"
    raise RecipeError(message, path=path, field="recipe_version", repair=repair)


def save_recipe(recipe: Recipe, path: str | Path) -> Path:
    """Write the resolved recipe as YAML."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return write_text(path, text)


def _override(values: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise RecipeError(
            f"--set {_SHORT.repr(text)} is not section.key=value", repair="For example --set train.lr=3e-4"
        )
    section = values
    for part in parts[:-1]:
        if section.get(part) is None:
            section[part] = {}
        section = open_section(section, part)
        if not isinstance(section, dict):
            raise RecipeError(f"{part!r} holds no keys", field=key, repair="Check the name")
    section[parts[-1]] = _value(value)


def open_section(values: dict[str, Any], part: str) -> Any:
    """Return the section `part` of `values`, to be changed there; the name of a preset becomes its table."""
    if part == "augment" and isinstance(values[part], str):
        values[part] = {"preset": values[part]}
    return values[part]


def _value(text: str) -> Any:
    # YAML 1.1 reads 3e-4 (no dot) as text; a number is meant, but where it stands in quotes.
    try:
        value = yaml.load(text, _EachKeyOnce)
    except _UNREADABLE as error:
        raise RecipeError(
            f"--set: {_SHORT.repr(text)} is no value in YAML", repair="Check its brackets, quotes and keys"
        ) from error
    if isinstance(value, str) and text.strip()[0] not in "'\"":
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _explain(error: ValidationError, values: Any, path: Path | None, overrides: list[str]) -> RecipeError:
    first = error.errors()[0]
    places = _places(first, values)
    field = ".".join(places) or "recipe"
    if any(given == field or given.startswith(f"{field}.") for given in overrides):
        path, field = None, f"--set {field}"  # the file is not to blame
    if first["type"] != "extra_forbidden":
        message = _KINDS.get(first["type"]) or str(first["msg"]).removeprefix("Value error, ")
        # of a whole section it would be a line that nobody reads
        repair = None if isinstance(first["input"], dict) else f"It is {_SHORT.repr(first['input'])} now"
        return RecipeError(message, path=path, field=field, repair=repair)
    known = _known_keys(places[:-1])
    other = _OTHER_NAMES.get(places[-1], places[-1])
    elsewhere = [] if other in known else _sections_with(other)
    guess = other if other in known else nearest(places[-1], known)
    if elsewhere:
        repair = f"It belongs elsewhere: {', '.join(elsewhere)}"
    else:
        repair = f"Did you mean {guess!r}?" if guess else f"Known keys: {', '.join(known)}"
    return RecipeError(f"unknown key {places[-1]!r}", path=path, field=field, repair=repair)


def _places(error: ErrorDetails, values: Any) -> list[str]:
    """Return the keys that lead to a mistake, without the names that pydantic gives to the kinds of a value."""
    location, places = list(error["loc"]), []
    missing = [str(location.pop())] if error["type"] == "missing" else []
    for part in location:
        within = part in values if isinstance(values, dict) else isinstance(values, list) and isinstance(part, int)
        if within:
            values = values[part]
            places.append(str(part))
    return [*places, *missing]


def _sections_with(key: str) -> list[str]:
    """Return `section.key` of the top sections that know a key: where a misplaced or moved one may belong."""
    sections = [(name, _sections(field.annotation)) for name, field in Recipe.model_fields.items()]
    return [f"{name}.{key}" for name, found in sections if any(key in model.model_fields for model in found)]


def _known_keys(places: list[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for place in places:
        if place.isdigit() or place not in model.model_fields:
            continue
        found = _sections(model.model_fields[place].annotation)
        model = found[0] if found else model
    return list(model.model_fields)


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _sections(part)]
