"""`colles init`: what it sees in the data decides the recipe, and every choice has its reason."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from colles.cli import run
from colles.cli.app import app
from colles.core.errors import CollesError, InputError, OutputExistsError, UsageError
from colles.core.recipe_text import load_recipe, save_recipe
from colles.datasets.survey import detect_kind, survey
from colles.flow.sources import open_sources
from colles.flow.starter import choose


@pytest.fixture
def two_folders(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    """Return a folder of 12 fractured and 30 normal images of 300 × 200 pixels."""
    for name, count in (("fractured", 12), ("normal", 30)):
        for number in range(count):
            write_image(tmp_path / "mine" / name / f"{number}.png", 300, 200, seed=number)
    return tmp_path / "mine"


def init(*arguments: object) -> dict[str, object]:
    result = CliRunner().invoke(app, ["init", *map(str, arguments), "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return dict(json.loads(result.stdout))


def test_two_folders_give_a_recipe_that_runs_on_them(two_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    answer = init(two_folders, "--out", out)
    recipe = load_recipe(out)
    (source,) = open_sources(recipe.data, tmp_path, tmp_path, tmp_path / "salt")
    labels = [row.label for row in source.radiographs()]
    assert (labels.count(1), labels.count(0)) == (12, 30)
    assert answer["choices"]["preprocess.size"]["value"] == recipe.preprocess.size == 256
    assert recipe.train.sampler == "weighted"  # 29 % are fractured
    text = out.read_text()
    assert all(choice["why"] in text for choice in answer["choices"].values())
    with pytest.raises(OutputExistsError):
        CliRunner().invoke(app, ["init", str(two_folders), "--out", str(out)], catch_exceptions=False)


def test_two_folders_of_one_name_gave_a_recipe_that_does_not_run(two_folders: Path, tmp_path: Path) -> None:
    other = shutil.copytree(two_folders, tmp_path / "b" / "mine")
    out = tmp_path / "r.yaml"
    with pytest.raises(UsageError, match="two sources are called 'mine'") as caught:
        CliRunner().invoke(app, ["init", str(two_folders), str(other), "--out", str(out)], catch_exceptions=False)
    assert f"folder:NAME={other}" in str(caught.value.repair) and not out.exists()
    with pytest.raises(UsageError, match="named twice"):
        again = f"folder:again={two_folders}"
        CliRunner().invoke(app, ["init", str(two_folders), again, "--out", str(out)], catch_exceptions=False)
    init(two_folders, f"folder:b={other}", "--out", out)


def test_what_is_said_names_counts_choices_and_the_next_step(two_folders: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["init", str(two_folders), "--out", str(tmp_path / "r.yaml")])
    assert "mine (folder): 42 images, 12 fractured, 30 not, 0 unknown" in result.stdout
    assert f"colles run {tmp_path / 'r.yaml'} --out out/mine" in " ".join(result.stdout.split())


def test_the_next_step_is_a_command_whatever_the_folders_are_called(
    two_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my x").mkdir()
    for place, source in ((two_folders, "."), (two_folders / "normal", "..")):
        monkeypatch.chdir(place)
        out = tmp_path / "my x" / f"{len(source)}.yaml"
        result = CliRunner().invoke(app, ["init", source, "--out", str(out), "--name", "two words"])
        following = result.stdout.splitlines()[-1].removeprefix("Next: ")
        assert shlex.split(following) == ["colles", "run", str(out), "--out", "out/two words"]
        assert survey(source).name == "mine"


def test_folders_of_unknown_meaning_become_a_to_do(two_folders: Path, tmp_path: Path) -> None:
    (two_folders / "fractured").rename(two_folders / "A")
    answer = init(two_folders, "--out", tmp_path / "r.yaml")
    assert answer["unclear"] == ["A"]
    assert '"A": null  # TO DO: 1 or 0?' in (tmp_path / "r.yaml").read_text()
    source = load_recipe(tmp_path / "r.yaml").data.sources[0]
    assert source.class_map == {"A": None, "normal": 0}
    with pytest.raises(CollesError, match="colles init"):
        arguments = ["run", "--folder", str(two_folders), "--out", str(tmp_path / "out")]
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_no_figure_is_made_up_before_every_class_has_its_meaning(two_folders: Path) -> None:
    (two_folders / "fractured").rename(two_folders / "A")
    chosen = {choice.key: choice for choice in choose([survey(str(two_folders))], gpu=False)}
    assert chosen["train.sampler"].value == "weighted"
    assert not any(character.isdigit() for key in ("train.sampler", "split.test") for character in chosen[key].why)


def test_a_folder_without_class_folders_is_an_error_that_says_what_to_do(two_folders: Path) -> None:
    with pytest.raises(InputError, match="lie in the folder itself") as raised:
        survey(str(two_folders / "fractured"))
    assert "fractured and normal" in str(raised.value)


def test_an_image_beside_the_class_folders_is_of_unknown_label(
    two_folders: Path, write_image: Callable[..., Path]
) -> None:
    write_image(two_folders / "cover.png", seed=99)
    seen = survey(str(two_folders))
    assert (seen.fractured, seen.normal, seen.unknown, seen.unclear) == (12, 30, 1, [])


def test_a_folder_of_no_meaning_took_the_labels_of_equal_names_inside_the_classes(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    for seed, name in enumerate(("fractured/p1", "fractured/p2", "normal/p1", "normal/p3", "unsorted/p1")):
        write_image(tmp_path / "set" / name / "a.png", seed=seed)
    seen = survey(str(tmp_path / "set"))
    assert (seen.fractured, seen.normal, seen.unknown, seen.unclear) == (2, 2, 1, ["unsorted"])
    write_image(tmp_path / "set" / "p2" / "a.png", seed=9)
    with pytest.raises(InputError, match="set/p2: means nothing, and folders of this name lie in the classes"):
        survey(str(tmp_path / "set"))


def test_a_folder_above_whole_sets_is_not_read_as_classes(yolo_export: Path, fracatlas: Path, tmp_path: Path) -> None:
    """Every image below `bonefractureyolo/` counted as fractured, for the name of its folder."""
    root = tmp_path / "above"
    root.mkdir()
    yolo_export.rename(root / "bonefractureyolo")
    fracatlas.rename(root / "FracAtlas")
    for source in (str(root), f"folder={root}"):
        with pytest.raises(UsageError, match=r"whole sets \(FracAtlas, bonefractureyolo\).*Name each: colles init"):
            survey(source)


def test_each_kind_of_source_is_recognised(
    yolo_export: Path, fracatlas: Path, two_folders: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("path,label\na.png,1\n")
    kinds = [detect_kind(path) for path in (yolo_export, fracatlas, two_folders, tmp_path / "t.csv")]
    assert kinds == ["yolo", "fracatlas", "folder", "csv"]
    assert survey(str(yolo_export)).classes == {"wrist positive": 1, "humerus": 1}
    assert survey(f"yolo:clinic={yolo_export}").name == "clinic"


def test_copies_of_one_radiograph_promise_no_narrower_interval(yolo_export: Path) -> None:
    found = survey(str(yolo_export))
    assert (found.fractured, found.fractured_groups) == (3, 2)


@pytest.mark.parametrize("ending", ["", ".dcm"])
def test_a_folder_of_dicom_is_recognised_and_its_patients_counted(tmp_path: Path, ending: str) -> None:
    """With the ending .dcm it was taken for a folder without classes, and labels.csv for nothing."""
    pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
    from drawn_dicom import dicom, encoded

    root = tmp_path / "archive"
    root.mkdir()
    for number in range(4):
        pixels = np.full((20, 30), number, np.uint16)
        (root / f"IM{number}{ending}").write_bytes(encoded(dicom(pixels, PatientID=f"P{number // 2}")))
    (root / "labels.csv").write_text(f"file,label\nIM0{ending},1\nIM1{ending},0\n")
    seen = survey(str(root))
    assert (seen.kind, seen.fractured, seen.normal, seen.unknown, seen.patients) == ("dicom", 1, 1, 2, 2)
    assert seen.longer_side == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive"]
    (root / "fractured").mkdir()
    (root / f"IM0{ending}").rename(root / "fractured" / "IM0.dcm")
    assert detect_kind(root) == "folder"  # here the name of a folder says the class


def test_a_table_of_words_gets_a_class_map(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    rows = [
        (write_image(tmp_path / f"{n}.png", seed=n).name, word, n // 2) for n, word in enumerate(["odd", "normal"] * 12)
    ]
    lines = [f"{name},{word},p{patient}" for name, word, patient in rows]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,patient_id", *lines]))
    seen = survey(str(tmp_path / "t.csv"))
    assert seen.classes == {"odd": None, "normal": 0}
    assert (seen.normal, seen.unknown, seen.patients, seen.longer_side) == (12, 12, 12, 64)


def test_a_blank_behind_a_label_was_a_class_that_the_table_lacks(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\na.png,fractured \nb.png,normal\nc.png, \n")
    seen = survey(str(tmp_path / "t.csv"))
    assert (seen.classes, seen.unknown) == ({"fractured": 1, "normal": 0}, 1)


def test_a_class_that_is_missing_is_an_error(two_folders: Path) -> None:
    (two_folders / "fractured").rename(two_folders / "also_normal")
    with pytest.raises(InputError, match="0 images are fractured and 42 are not"):
        choose([survey(str(two_folders))], gpu=False)


def test_choices_follow_the_data(two_folders: Path) -> None:
    seen = survey(str(two_folders))
    large = seen.model_copy(update={"fractured": 4000, "fractured_groups": 3000, "normal": 5000, "longer_side": 2500})
    chosen = {choice.key: choice.value for choice in choose([large], gpu=False)}
    assert chosen["train.sampler"] == "plain"
    assert (chosen["split.val"], chosen["split.test"]) == (0.15, 0.2)
    assert chosen["train.epochs"] == 5
    on_gpu = {choice.key: choice.value for choice in choose([large], gpu=True)}
    assert (on_gpu["preprocess.size"], on_gpu["train.batch_size"]) == (512, 32)


def test_a_begun_run_of_a_folder_keeps_its_choices_but_never_another_folder(two_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, _ = run.settings_of(None, two_folders, out, ["train.epochs=1"])
    assert (first.train.epochs, first.preprocess.size) == (1, 256)
    save_recipe(first, out / "recipe.yaml")
    again, _ = run.settings_of(None, two_folders, out, [])
    assert again == first
    other = two_folders.rename(tmp_path / "other")
    moved, _ = run.settings_of(None, other, out, [])
    assert moved.data.sources[0].path == str(other) != first.data.sources[0].path  # which the run then refuses


@pytest.mark.parametrize("nonsense", ["nowhere", "folder=", "photo.txt"])
def test_nonsense_is_answered_in_one_line(tmp_path: Path, nonsense: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photo.txt").write_text("x")
    result = CliRunner().invoke(app, ["init", nonsense])
    assert isinstance(result.exception, CollesError)
    assert "\n" not in str(result.exception)
    assert not Path("recipe.yaml").exists()


def test_dicom_without_labels_was_said_to_be_no_images_at_all(tmp_path: Path) -> None:
    """Class folders of DICOM files without an ending have labels for a person alone."""
    pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
    from drawn_dicom import dicom, encoded

    for number, folder in enumerate(["fractured", "normal"]):
        (tmp_path / "set" / folder).mkdir(parents=True)
        pixels = np.full((20, 30), number, np.uint16)
        (tmp_path / "set" / folder / f"IM{number}").write_bytes(encoded(dicom(pixels)))
    with pytest.raises(InputError, match=r"0 are not, 2 are of unknown label.*labels\.csv"):
        choose([survey(str(tmp_path / "set"))], gpu=False)
