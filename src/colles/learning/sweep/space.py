"""The space of a search: which settings vary, over what, and how a point of it becomes a recipe.

Input is `sweep.space` of a recipe; a point is a plain table `{section.key: value}`, as the trials' files hold it.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from colles.core.errors import CollesError, RecipeError
from colles.core.names import suggest
from colles.core.recipe import Recipe
from colles.core.recipe_sweep import RangeRecipe
from colles.core.recipe_text import open_section, recipe_from

SEARCHED = ("preprocess", "model", "train")
"""Sections that a search may change. Others decide what val is, so trials could not be compared."""
FIXED = frozenset(
    f"train.{key}" for key in ("mode", "folds", "seeds", "monitor", "random_labels", "engine", "processes", "retries")
)
"""Settings that decide what a trial is and how it is judged."""
_WORDS = "Search preprocess, model and train; other sections decide what the trials are judged on"


@dataclass(frozen=True)
class Parameter:
    """One setting that varies."""

    name: str
    """`section.key`, or a whole section whose choices are tables of keys."""
    kind: Literal["choice", "int", "float"]
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None

    def described(self) -> dict[str, Any]:
        """Return what decides the space, for comparison with an earlier one."""
        if self.kind == "choice":
            return {"choices": list(self.choices)}
        return {"low": self.low, "high": self.high, "log": self.log, "step": self.step, "kind": self.kind}


def read_space(recipe: Recipe) -> tuple[Parameter, ...]:
    """Return the parameters of `sweep.space`, by name; raise `RecipeError` for one that no recipe could take.

    Every choice and both ends of every range are tried in the recipe, so a mistake shows before the first trial.
    """
    if recipe.train.mode == "skip":
        text = "a trial has no weights to keep"
        raise RecipeError(text, field="train.mode", repair="Set it to full, or to quick for a look")
    if not recipe.sweep.space:
        raise RecipeError("nothing to search", field="sweep.space", repair="For example sweep.space: {train.lr: …}")
    found = tuple(_parameter(name, recipe.sweep.space[name]) for name in sorted(recipe.sweep.space))
    for parameter in found:
        for value in parameter.choices or (parameter.low, parameter.high):
            _try(recipe, parameter, value)
    return found


def point_recipe(recipe: Recipe, params: Mapping[str, Any]) -> Recipe:
    """Return the recipe of one trial: `params` set, selection by the objective, without the search itself."""
    values = recipe.model_dump(mode="json")
    del values["sweep"]
    for name in sorted(params):  # a section before its settings
        *path, key = name.split(".")
        section, value = values, params[name]
        for part in path:
            section = open_section(section, part)
        known = section.get(key)
        # a preset stands for a whole section
        if isinstance(known, dict) and isinstance(value, dict) and "preset" not in value:
            value = known | value
        section[key] = value
    values["train"] |= {"monitor": recipe.sweep.objective, "folds": 0, "seeds": 1}  # a trial is one training
    return recipe_from(values)


def known_parameters() -> list[str]:
    """Return every name that a space may hold."""
    names = (name for section in SEARCHED for name in _names(section, Recipe.model_fields[section].annotation))
    return sorted(set(names) - FIXED)


def encode(value: Any) -> Any:
    """Write a choice as something that every engine can store: tables and lists become JSON text."""
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list | tuple) else value


def decode(parameters: tuple[Parameter, ...], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored point with its choices as the recipe writes them."""
    found = {}
    for parameter in parameters:
        value = stored[parameter.name]
        known = {encode(choice): choice for choice in parameter.choices}
        found[parameter.name] = known.get(value, value) if parameter.kind == "choice" else value
    return found


def _parameter(name: str, given: RangeRecipe | tuple[Any, ...]) -> Parameter:
    annotation = _annotation(name)
    field = f"sweep.space.{name}"
    if not isinstance(given, RangeRecipe):
        if len({encode(choice) for choice in given}) < 2:
            raise RecipeError("fewer than two different choices", field=field, repair="Add one, or leave it out")
        return Parameter(name, "choice", choices=tuple(given))
    kinds = _kinds(annotation)
    if bool in kinds or not kinds & {int, float}:
        raise RecipeError("a range of a setting that is no number", field=field, repair="Give a list of choices")
    if float in kinds:
        return Parameter(name, "float", low=given.low, high=given.high, log=given.log, step=given.step)
    low, high, step = (_whole(value, field) for value in (given.low, given.high, given.step or 1))
    return Parameter(name, "int", low=low, high=high, log=given.log, step=None if given.log else step)


def _whole(value: float, field: str) -> int:
    if value != int(value):
        raise RecipeError(
            f"{value} is not a whole number, which this setting needs", field=field, repair="Write whole ends"
        )
    return int(value)


def _annotation(name: str) -> Any:
    if name not in (known := known_parameters()):
        section = name.split(".")[0]
        if section in Recipe.model_fields and section not in SEARCHED:
            raise RecipeError(f"{section!r} cannot be searched", field=f"sweep.space.{name}", repair=_WORDS)
        if name in FIXED:
            text = f"{name!r} cannot be searched: it decides what a trial is"
            raise RecipeError(text, field=f"sweep.space.{name}", repair="Set it beside the search, or leave it out")
        repair = suggest(name, known, f"Known: {', '.join(known)}")
        raise RecipeError(f"unknown parameter {name!r}", field=f"sweep.space.{name}", repair=repair)
    annotation: Any = Recipe
    for part in name.split("."):
        annotation = _section(annotation).model_fields[part].annotation
    return annotation


def _names(prefix: str, annotation: Any) -> Iterator[str]:
    yield prefix
    if _is_section(annotation):
        for key, field in annotation.model_fields.items():
            yield from _names(f"{prefix}.{key}", field.annotation)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _section(annotation: Any) -> type[BaseModel]:
    assert _is_section(annotation)
    found: type[BaseModel] = annotation
    return found


def _kinds(annotation: Any) -> set[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return {kind for part in typing.get_args(annotation) for kind in _kinds(part)}
    return {annotation}


def _try(recipe: Recipe, parameter: Parameter, value: Any) -> None:
    try:
        point_recipe(recipe, {parameter.name: value})
    except CollesError as error:
        where = f"sweep.space.{parameter.name}"
        raise RecipeError(f"{value!r} is refused: {error}", field=where, repair="Mend the space") from error
