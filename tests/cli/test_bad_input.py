"""Bad input: one line on standard error, exit 2, nothing written or lost."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import CollesError

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def fails(*arguments: object) -> str:
    """Run the program in this process and return the one line of its error, which must exit with 2."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, CollesError), (result.output, result.exception)
    assert result.exception.exit_code == 2
    message = str(result.exception)
    assert "\n" not in message
    return message


def yolo(folder: Path, row: str, names: str = "[fracture]") -> Path:
    """Write a YOLO export of one image whose label file holds `row`."""
    from PIL import Image

    for part in ("images", "labels"):
        (folder / "train" / part).mkdir(parents=True)
    (folder / "data.yaml").write_text(f"names: {names}\n")
    Image.new("L", (40, 30), 90).save(folder / "train" / "images" / "a.png")
    (folder / "train" / "labels" / "a.txt").write_text(row)
    return folder


def test_a_missing_folder(tmp_path: Path) -> None:
    message = fails("catalog", "--source", f"folder={tmp_path / 'none'}", "--out", tmp_path / "c.parquet")
    assert "none: no such folder" in message
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    message = fails("catalog", "--source", f"folder={tmp_path / 'empty'}", "--out", tmp_path / "c.parquet")
    assert "empty" in message
    message = fails("run", "--folder", tmp_path / "empty", "--out", tmp_path / "out")
    assert "the folder is empty" in message
    assert not (tmp_path / "out").exists()


def test_an_unknown_recipe_key_names_the_nearest(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("train: {epohcs: 3}\n")
    message = fails("run", recipe, "--out", tmp_path / "out")
    assert "r.yaml: train.epohcs: unknown key 'epohcs'. Did you mean 'epochs'?" in message
    assert not (tmp_path / "out").exists()


def test_a_label_row_with_three_numbers_names_file_and_row(tmp_path: Path) -> None:
    export = yolo(tmp_path / "export", "0 0.5 0.5")
    message = fails("catalog", "--source", f"yolo={export}", "--out", tmp_path / "c.parquet")
    assert "a.txt" in message
    assert "3 numbers" in message
    assert not (tmp_path / "c.parquet").exists()


def test_a_class_that_is_not_in_the_map(tmp_path: Path) -> None:
    export = yolo(tmp_path / "export", "0 0.5 0.5 0.2 0.2", "[strange]")
    (tmp_path / "map.yaml").write_text("fracture: 1\n")
    command = [
        "catalog",
        "--source",
        f"yolo={export}",
        "--class-map",
        tmp_path / "map.yaml",
        "--out",
        tmp_path / "c.csv",
    ]
    message = fails(*command)
    assert "'strange'" in message
    assert "class map" in message


def test_a_csv_without_the_needed_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,label\na.png,1\n")
    message = fails("catalog", "--source", f"csv={tmp_path / 't.csv'}", "--out", tmp_path / "c.parquet")
    assert "t.csv: lacks the column 'path'" in message
    (tmp_path / "scores.csv").write_text("y_true,score\n1,0.5\n")
    message = fails("evaluate", tmp_path / "scores.csv", "--out", tmp_path / "e")
    assert "lacks the column 'y_score'" in message


def test_an_output_folder_that_holds_a_run_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "recipe.yaml").write_text("name: earlier\n")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: later\ndata: {phantom: {images: 40, size: 64}}\ntrain: {allocator: false}\n")
    message = fails("run", recipe, "--out", out)
    assert "already holds a run of another recipe" in message
    message = fails("train", recipe, "--out", out)
    assert "already exists and is kept" in message
    assert (out / "recipe.yaml").read_text() == "name: earlier\n"


def test_a_folder_without_meaning_asks_for_a_class_map(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("one", "two"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("L", (40, 30), 90).save(tmp_path / "data" / name / "a.png")
    message = fails("catalog", "--source", f"folder={tmp_path / 'data'}", "--out", tmp_path / "c.parquet")
    assert "class map" in message


def test_a_missing_source_names_where_it_looked_and_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLES_DATA", str(tmp_path / "nowhere"))
    recipe = tmp_path / "r.yaml"
    recipe.write_text("data: {sources: [{kind: fracatlas, path: FracAtlas}]}\ntrain: {allocator: false}\n")
    message = fails("run", recipe, "--out", tmp_path / "out")
    assert str(tmp_path / "nowhere" / "FracAtlas") in message
    assert "COLLES_DATA=" in message


def test_a_bundle_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"")
    message = fails("predict", tmp_path / "image.png", "--bundle", tmp_path, "--out", tmp_path / "p.csv")
    assert str(tmp_path) in message
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.slow
def test_a_recipe_that_asks_for_cuda_where_there_is_none(tmp_path: Path, colles) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("data: {phantom: {images: 40, size: 64}}\ntrain: {device: cuda}\npreprocess: {size: 64}\n")
    done = colles("run", recipe, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "train.device: there is no CUDA device here" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["run", "phantom", "catalog", "audit", "split", "organize", "train", "sweep",
                                  "evaluate", "compare", "explain", "report", "export", "predict",
                                  "serve", "recalibrate", "init", "data", "doctor", "dicom node",
                                  "dicom status"])  # fmt: skip
def test_every_verb_helps_with_examples(verb: str) -> None:
    result = CliRunner().invoke(app, [*verb.split(), "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"colles {verb}" in result.output


@pytest.mark.slow
def test_the_program_turns_errors_into_one_line_and_an_exit_code(tmp_path: Path, colles) -> None:
    done = colles("audit", tmp_path / "none.parquet", "--out", tmp_path / "audit")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert colles("no-such-verb").returncode == 2
    assert colles("--version").stdout.startswith("colles ")


def test_help_needs_nothing_heavy() -> None:
    """`colles --help` takes 0.12 s on an idle core; rich, numpy or polars alone would double that."""
    code = (
        "import sys; sys.argv = ['colles', '--help']; from colles.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'rich.markdown', 'numpy', 'polars', 'torch', 'onnxruntime', 'cv2', 'PIL'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


def test_nothing_that_was_named_is_there_and_no_table_blocks_the_next_try(tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    assert "nowhere: no such file or folder" in fails("predict", tmp_path / "nowhere", "--out", out)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_list_of_images_writes_no_table(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["predict", "-", "--out", str(tmp_path / "answers.csv")], input="\n")
    assert str(result.exception) == "PATH: no image was named. The list on standard input is empty"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_a_recipe_is_told_of_folder(tmp_path: Path) -> None:
    message = fails("run", tmp_path, "--out", tmp_path / "out")
    assert message.endswith(f"For two folders of pictures: colles run --folder {tmp_path} --out {tmp_path / 'out'}")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.epoch=3", "--set train.epoch: unknown key 'epoch'. Did you mean 'epochs'?"),
        ("train.epochs=three", "--set train.epochs: must be a whole number. It is 'three' now"),
    ],
)
def test_a_slip_on_the_command_line_is_not_blamed_on_the_recipe(tmp_path: Path, setting: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    assert fails("run", tmp_path / "mine.yaml", "--out", tmp_path / "out", "--set", setting) == message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "command", "words"),
    [
        (
            "colles.flow.run",
            "run",
            "run recipes/demo.yaml --set train.allocator=false --out nowhere-at-all",
            "whatever was finished is kept; give the same command again",
        ),
        (
            "colles.datasets.phantom",
            "write_phantoms",
            "phantom --out nowhere-at-all",
            "no result was written; the same command starts over",
        ),
        (
            "colles.core.recipe_text",
            "load_recipe",
            "train recipes/demo.yaml --out nowhere-at-all",
            "whatever was finished is kept; add --resume to go on",
        ),
        (
            "colles.datasets.catalog",
            "build_catalog",
            "catalog --source folder=. --out nowhere-at-all.csv",
            "no result was written; the same command starts over",
        ),
    ],
)
def test_an_interrupt_says_what_is_kept_and_how_to_go_on(module: str, name: str, command: str, words: str) -> None:
    """typer ended the process at Ctrl-C without a word; a catalog that starts over promised to go on."""
    program = (
        "import sys; from colles.cli import app as program\n"
        "def stopped(*_, **__): raise KeyboardInterrupt\n"
        f"import {module} as made; made.{name} = stopped\n"
        f"sys.argv = ['colles', *{command!r}.split()]\n"
        "program.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 130
    assert done.stderr.strip() == f"interrupted: {words}"


@pytest.mark.parametrize("module", ["colles.cli", "typer", "colles.cli.train"])
def test_ctrl_c_while_the_program_loads_showed_where_in_python_it_was(module: str) -> None:
    entry, _, function = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]["colles"].partition(":")
    script = (
        "import os, signal, sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Stop())\n"
        "sys.argv = ['colles', '--version']\n"
        f"from {entry} import {function}\n"
        f"{function}()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.slow
def test_an_interrupt_does_not_wait_for_a_thread_that_is_stuck_in_a_file() -> None:
    """Python waits for every thread before it ends; one that decoded held up Ctrl-C, a second one as well."""
    program = (
        "import sys, threading; from colles.cli import app as program\n"
        "def stopped(*_, **__):\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    raise KeyboardInterrupt\n"
        "program._GRACE = 0.1\n"
        "import colles.datasets.catalog as made; made.build_catalog = stopped\n"
        "sys.argv = 'colles catalog --source folder=. --out nowhere-at-all.csv'.split()\n"
        "program.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 130 and done.stderr.startswith("interrupted: no result was written")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can make a file")
def test_a_place_that_cannot_be_written_is_named_and_not_a_hidden_file_beside_it(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (90, 90), 90).save(tmp_path / "a.png")
    for arguments in (["predict", tmp_path / "a.png", "--out", "/proc/a.csv"], ["phantom", "--out", "/proc/a.csv"]):
        assert fails(*arguments).startswith("/proc/a.csv: cannot write")


def test_files_that_are_no_images_get_no_recipe(tmp_path: Path) -> None:
    for kind in ("fractured", "normal"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "set" / kind / f"{number}.jpg").write_text("a shopping list")
    told = fails("init", tmp_path / "set", "--out", tmp_path / "x.yaml")
    assert "none of the files looked at opens as an image" in told
    assert f"colles catalog --source folder={tmp_path / 'set'} --out files.csv" in told
    assert not (tmp_path / "x.yaml").exists()


def test_a_table_whose_files_are_not_there_made_a_catalog_like_any_other(tmp_path: Path) -> None:
    """Only the word `unreadable` told; nothing said where the files were looked for."""
    table, out = tmp_path / "t.csv", tmp_path / "c.csv"
    table.write_text("path,label\nimages\\a.png,1\nimages\\b.png,0\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["catalog", "--source", f"csv={table}", "--out", str(out)])
    assert result.exit_code == 0
    assert f"2 of 2 files are not there, such as {tmp_path}/images\\a.png; its backslashes" in result.stderr


def unread(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the program with a standard output that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "colles", *map(str, arguments)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300)
    os.close(writer)
    return done


def test_a_pipe_that_nobody_reads_ended_with_the_code_of_a_failed_check(tmp_path: Path) -> None:
    table = tmp_path / "p.csv"
    table.write_text("y_true,y_score\n" + "1,0.9\n0,0.1\n" * 20)
    done = unread("evaluate", table, "--out", tmp_path / "out")
    assert done.returncode == 141 and "Error" not in done.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_help_of_the_program_that_nobody_reads_ended_with_the_code_of_a_failed_check(option: str) -> None:
    done = unread(option)
    assert done.returncode == 141 and not done.stderr
