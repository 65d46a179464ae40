"""A recipe's mistakes are one line each, naming the file, the key and the repair."""

from __future__ import annotations

import ast
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from colles.core.errors import MissingInputError, RecipeError
from colles.core.recipe import Recipe
from colles.core.recipe_text import load_recipe, recipe_from, save_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SOURCE = {"kind": "yolo", "path": "x"}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid_and_survives_saving(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    assert load_recipe(save_recipe(recipe, tmp_path / "again.yaml")) == recipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trian": {}}, "trian: unknown key 'trian'. Did you mean 'train'?"),
        ({"train": {"epoch": 3}}, "train.epoch: unknown key 'epoch'. Did you mean 'epochs'?"),
        ({"train": {"augment": {"flipp": 1}}}, "Did you mean 'flip'?"),
        ({"data": {"sources": [{"kind": "yolo", "pth": "x", "path": "y"}]}}, "Did you mean 'path'?"),
        ({"train": {"learning_rate": 1}}, "Did you mean 'lr'?"),
        ({"preprocess": {"image_size": 224}}, "Did you mean 'size'?"),
        ({"recipe_version": 99}, "recipe_version: 99 is newer than"),
        ({"recipe_version": 99}, "Update colles"),
        ({"recipe_version": 0}, "recipe_version: 0 is older than 1, the oldest that there is. Write recipe_version: 1"),
        ({"recipe_version": "1.0"}, "recipe_version: '1.0' is no version. Versions are whole numbers"),
        ({"recipe_version": None}, "recipe_version: None is no version"),
        (
            {"train": {"image_size": 224}},
            "train.image_size: unknown key 'image_size'. It belongs elsewhere: preprocess.size",
        ),
        ({"epochs": 3}, "It belongs elsewhere: train.epochs"),
        ({"train": {"lr": -1}}, "train.lr: Input should be greater than 0"),
        ({"train": {"sampler": "fair"}}, "'oversample' or 'balanced_batches'"),
        ({"split": {"val": 0.6, "test": 0.5}}, "val + test must be below 1"),
        ({"split": {"fold": 3}}, "split: fold 3 is none of 0 folds"),
        ({"train": {"lr": float("inf")}}, "train.lr: must be a finite number"),
        ({"export": {"tolerance": float("nan")}}, "export.tolerance: must be a finite number"),
        ({"data": {"sources": [{"path": "x"}]}}, "data.sources.0.kind: is missing"),
        (
            {"data": {"sources": [{**SOURCE, "class_map": {"a": "b"}}]}},
            "class_map.a: must be a whole number. It is 'b'",
        ),
        ({"sweep": {"space": {"train.lr": {"low": 1}}}}, "sweep.space.train.lr.high: is missing"),
        ({"sweep": {"space": {"train.lr": {"low": 2, "high": 1}}}}, "sweep.space.train.lr: low must be below high"),
        ({"train": 3}, "train: must be a table of keys. It is 3 now"),
        ({"preprocess": {"channels": 1}}, "mean and std need 1 values each"),
    ],
)
def test_mistakes_name_key_and_repair(values: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_from(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("section", ["data.phantom", "split", "evaluate", "robustness", "explain", "sweep"])
def test_a_negative_seed_is_refused(section: str) -> None:
    with pytest.raises(RecipeError, match=r"seed: .* greater than or equal to 0\. It is -1 now"):
        recipe_from({}, [f"{section}.seed=-1"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trian.epochs=3", "--set trian: unknown key 'trian'"),
        ("train.epoch=3", "--set train.epoch: unknown key 'epoch'"),
    ],
)
def test_a_slip_in_set_is_not_the_files_fault(tmp_path: Path, override: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("name: own\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, [override])
    assert str(caught.value).startswith(message)


def test_overrides_win_over_the_file_and_read_numbers_as_numbers() -> None:
    recipe = recipe_from({"train": {"lr": 1e-3}}, ["train.lr=3e-4", "model.name=resnet50", "data.phantom.images=40"])
    assert recipe.train.lr == 3e-4
    assert recipe.model.name == "resnet50"
    assert recipe.data.phantom is not None
    assert recipe.data.phantom.images == 40


@pytest.mark.parametrize("text", ["train.lr", "=3", "train..lr=3", "name.x=3"])
def test_a_malformed_override_is_an_error(text: str) -> None:
    with pytest.raises(RecipeError):
        recipe_from({"name": "a"}, [text])


def test_files_that_are_no_recipe_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        load_recipe(tmp_path / "none.yaml")
    for text in ("a: [", "- just\n- a list"):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(RecipeError, match=r"bad\.yaml"):
            load_recipe(path)


def test_a_section_that_is_written_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("train: {epochs: 3}\nseed: 1\ntrain: {lr: 0.1}\n")
    with pytest.raises(RecipeError, match=r"r\.yaml: .*the key 'train' is written twice .*line 3"):
        load_recipe(tmp_path / "r.yaml")


def test_a_list_as_a_key_ended_in_a_defect(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("? [train, split]\n: {seed: 1}\n")
    with pytest.raises(RecipeError, match=r"not valid YAML .*unhashable key"):
        load_recipe(tmp_path / "r.yaml")


ALIASES = "a: &a [1, 1]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ALIASES, "more than 100000 values, with what aliases repeat"),
        ("sweep: {space: {train.lr: &l [1, *l]}}", "more than 100000 values, with what aliases repeat"),
        ("[" * 600, "recursion"),
        (f"seed: {'9' * 5000}", "4300 digits"),
        (f"seed: 0x{'f' * 6000}", "4300 digits"),
        (f"seed: {':'.join('1' * 3000)}", "4300 digits"),
        (f"recipe_version: {'x' * 9000}", "is no version"),
        (f"recipe_version: {'9' * 4000}", "is newer than"),
        ("data: {cache: !!bool perhaps}", "not valid YAML"),
        ("name: !!timestamp soon", "not valid YAML"),
        ("name: 2025-02-30", "day is out of range"),
        ("train: {teachers: [[[[[[[[1]]]]]]]]}", r"train\.teachers\.0: must be text\. It is \[{7}\.\.\.\]{7} now"),
        (f"train: {{sampler: {'x' * 9000}}}", r"It is 'x{40,60}\.\.\.x{40,60}' now"),
    ],
    ids=[
        "aliases of aliases",
        "a list within itself",
        "depth",
        "digits",
        "hexadecimal",
        "sixties",
        "version",
        "newer version",
        "bool",
        "timestamp",
        "no such day",
        "lists in lists",
        "length",
    ],
)
def test_values_without_end_are_one_short_line(tmp_path: Path, text: str, words: str) -> None:
    """They ended in a defect, filled the memory, or were repeated in the message as a whole."""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=words) as caught:
        load_recipe(file)
    assert len(str(caught.value)) < 500


def test_an_alias_repeats_a_value(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("train: {lr: &rate 0.01, head_lr: *rate}")
    assert load_recipe(file).train.head_lr == 0.01


def test_text_that_looks_like_a_number_can_be_quoted() -> None:
    assert recipe_from({}, ['name="1e5"']).name == recipe_from({}, ["name= '1e5'"]).name == "1e5"
    assert recipe_from({}, ["train.lr=1e-5"]).train.lr == 1e-5


def test_a_recipe_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError):
        Recipe().train.lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("module", ["recipe", "recipe_data", "recipe_train", "recipe_sweep"])
def test_every_setting_has_a_sentence_below_it_for_the_reference(module: str) -> None:
    text = Path(str(files("colles.core") / f"{module}.py")).read_text("utf-8")
    sections = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    silent = [
        f"{section.name}.{ast.unparse(field.target)}"
        for section in sections
        for field, after in zip(section.body, [*section.body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign) and not isinstance(getattr(after, "value", None), ast.Constant)
    ]
    assert sections and silent == []
