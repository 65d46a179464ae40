"""`colles predict` as a program: interrupted, resumed, without torch, on many files."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import CollesError, MissingInputError, OutputExistsError, StaleInputError, UsageError
from colles.core.records import Estimate
from colles.core.stopping import StopOnSignal
from colles.serving.bundle import load_bundle, write_bundle
from colles.serving.transport import push_bundle

# What a base install lacks: torch and everything that only comes with an extra.
WITHOUT = """
import sys
BLOCKED = ("torch", "torchvision", "timm", "pytorch_lightning", "captum", "onnx", "onnxscript", "safetensors", "ray",
           "pyarrow", "optuna", "pydicom", "fastapi", "tensorboard")
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
sys.meta_path.insert(0, Block())
from colles.cli.app import main
main()
"""


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    return result.output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_a_base_install_predicts_to_every_form_of_table(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    for ending in (".csv", ".parquet", ".jsonl"):
        out = tmp_path / f"table{ending}"
        command = [sys.executable, "-c", WITHOUT, "predict", grey_files[0], "--bundle", drawn_bundle, "--out", out]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, f"1 image: 1 ok (1 no fracture); table in {out}\n"), done.stderr
        assert out.is_file()
    command[command.index("--out") :] = ["--out", tmp_path / "ray.csv", "--engine", "ray"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'colles[ray]'" in done.stderr


@pytest.mark.slow
def test_a_first_answer_waits_for_no_library_that_it_does_not_need(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    """What a start costs in seconds is measured by benchmarks/inference.py."""
    watch = (
        "import atexit, sys\n"
        "heavy = ('polars', 'pyarrow', 'pydicom', 'scipy', 'sklearn', 'matplotlib', 'torch', 'timm', 'onnx')\n"
        "atexit.register(lambda: print('loaded:', sorted(sys.modules.keys() & set(heavy))))\n"
        "from colles.cli.app import main\n"
        "main()"
    )
    command = [sys.executable, "-c", watch, "predict", grey_files[0], "--bundle", drawn_bundle]
    done = subprocess.run([*map(str, command), "--out", str(tmp_path / "t.csv")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_a_table_is_kept_resumed_or_overwritten_as_asked(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "t.csv"
    shared = ("--bundle", drawn_bundle, "--out", out)
    assert "2 images: 2 ok (2 no fracture);" in run(*grey_files[:2], *shared)
    with pytest.raises(CollesError, match="--resume"):
        run(*grey_files, *shared)
    assert "6 images: 5 ok (2 fracture, 2 no fracture, 1 uncertain), 1 unreadable (2 answered before)" in run(
        *grey_files, *shared, "--resume"
    )
    assert [row["path"] for row in rows(out)] == [str(path) for path in grey_files]
    told = json.loads(run(*grey_files, *shared, "--overwrite", "--json"))
    assert told["counts"] == {"ok": 5, "refused": 0, "unreadable": 1} and told["skipped"] == 0


def test_answers_name_the_8_bit_network_and_are_not_mixed_with_others(
    bundle_copy: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    metadata = load_bundle(bundle_copy).metadata
    shutil.copy(bundle_copy / "model.onnx", bundle_copy / "model.int8.onnx")
    write_bundle(bundle_copy, metadata)
    out = tmp_path / "t.csv"
    shared = (grey_files[0], "--bundle", bundle_copy, "--out", out)
    told = json.loads(run(*shared, "--precision", "int8", "--json"))
    assert told["bundle"] == "drawn@0123456789ab+int8"
    assert [row["bundle"] for row in rows(out)] == ["drawn@0123456789ab+int8"]
    with pytest.raises(StaleInputError, match=r"\+int8, not of drawn@0123456789ab"):
        run(*shared, "--resume")


def test_bad_arguments_are_named(drawn_bundle: Path, grey_files: list[Path], tmp_path: Path) -> None:
    shared = ("--bundle", drawn_bundle, "--out", tmp_path / "t.csv")
    for batch in ("0", "257", "many", "-1"):
        with pytest.raises(UsageError, match="--batch"):
            run(grey_files[0], *shared, "--batch", batch)
    with pytest.raises(UsageError, match="no int8 network"):
        run(grey_files[0], *shared, "--precision", "int8")
    with pytest.raises(UsageError, match="--overlays"):
        run(grey_files[0], *shared, "--engine", "ray", "--overlays", tmp_path / "maps")
    with pytest.raises(UsageError, match="--threads"):
        run(grey_files[0], *shared, "--engine", "ray", "--threads", 2)
    with pytest.raises(MissingInputError, match="matches nothing"):
        run(tmp_path / "*.nothing", *shared)
    with pytest.raises(UsageError, match="an empty path"):
        run("", *shared)
    assert not (tmp_path / "t.csv").exists() and not (tmp_path / ".t.csv.journal").exists()


def test_pictures_that_are_there_are_kept_unless_told(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / "mine.png").write_bytes(b"mine")
    shared = (grey_files[0], "--bundle", drawn_bundle, "--overlays", maps, "--out")
    with pytest.raises(OutputExistsError, match="--overlays"):
        run(*shared, tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()
    run(*shared, tmp_path / "a.csv", "--overwrite")
    assert (maps / "mine.png").read_bytes() == b"mine" and len(list(maps.iterdir())) == 2


def test_a_resumed_run_drew_over_the_picture_of_an_earlier_image_of_the_same_name(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    """The map of last night's a/x.png was b/x.png's from then on."""
    maps, files = tmp_path / "maps", [tmp_path / name / "x.png" for name in "abc"]
    for file, source in zip(files, [*grey_files[:2], grey_files[1]], strict=True):
        file.parent.mkdir()
        shutil.copyfile(source, file)
    shared = ("--bundle", drawn_bundle, "--out", tmp_path / "t.csv", "--overlays", maps, "--resume")
    run(files[0], *shared)
    first = (maps / "x.png").read_bytes()
    run(*files[:2], *shared)
    run(files[2], *shared)
    assert (maps / "x.png").read_bytes() == first and len(list(maps.iterdir())) == 3


def test_pictures_are_drawn_where_no_image_is_read(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were judged as radiographs on the next run, or took an image's place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    shared = ("--bundle", drawn_bundle, "--out", tmp_path / "t.csv", "--overwrite", "--overlays")
    before = grey_files[0].read_bytes()
    for images in (".", "link", f"{tmp_path.parent}/*"):
        with pytest.raises(UsageError, match=r"maps: --overlays: lies in .*, which is read.*Choose one outside"):
            run(images, *shared, tmp_path / "maps")
    for overlays in (".", "link"):
        with pytest.raises(UsageError, match=r"holds level000\.png, which is read"):
            run("level000.png", *shared, overlays)
    assert grey_files[0].read_bytes() == before
    run("level000.png", *shared, "maps")


@pytest.mark.parametrize(("low", "high", "told"), [(0.31, 0.72, "cannot be told from chance"), (0.6, 0.8, None)])
def test_a_bundle_that_is_not_shown_to_know_anything_says_so(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path, low: float, high: float, told: str | None
) -> None:
    bundle = load_bundle(drawn_bundle)
    auroc = Estimate(value=(low + high) / 2, low=low, high=high, method="delong", n=20).model_dump(mode="json")
    found = {"subset": "test", "n": 20, "n_positive": 5, "n_groups": 20, "figures": {"auroc": auroc}}
    push_bundle(bundle, tmp_path / "bundle")
    write_bundle(tmp_path / "bundle", bundle.metadata.model_copy(update={"evaluation": found}))
    arguments = ["predict", str(grey_files[0]), "--bundle", str(tmp_path / "bundle"), "--out", str(tmp_path / "a.csv")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0 and ("chance" in done.stderr) == (told is not None)
    assert told is None or told in done.stderr


def test_where_nothing_can_be_read_the_table_says_why(drawn_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"x")
    with pytest.raises(MissingInputError, match="nothing could be read"):
        run(tmp_path / "no.png", "--bundle", drawn_bundle, "--out", tmp_path / "t.csv")
    assert rows(tmp_path / "t.csv")[0]["reason"].startswith("unreadable")
    with pytest.raises(MissingInputError, match="no image was named"):
        run("-", "--bundle", drawn_bundle, "--out", tmp_path / "none.csv")


def test_a_list_of_paths_was_refused_as_an_image_without_a_word_of_how_to_give_it(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{grey_files[0]}\n")
    told = run(listed, grey_files[0], "--bundle", drawn_bundle, "--out", tmp_path / "t.csv")
    assert f"{listed} is taken for an image: a list of paths goes to standard input (- < {listed})" in told


def test_archives_beside_images_were_passed_over_and_others_refused_without_a_repair(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(grey_files[0], folder)
    for name in ("a.zip", "b.tar.gz", "c.7z", "brain.nii.gz"):
        (folder / name).write_bytes(b"PK")
    command = [folder, folder / "c.7z", "--bundle", drawn_bundle, "--out", tmp_path / "t.csv"]
    told = (
        f"2 archives in folders were not opened, such as {folder / 'a.zip'}: name zip files themselves ('*.zip'), "
        "unpack others"
    )
    assert told in run(*command)
    answers = rows(tmp_path / "t.csv")
    assert [row["status"] for row in answers] == ["ok", "unreadable"]
    assert answers[1]["reason"].endswith("; archives are not opened but for zip files: unpack it, or pack it as one")
    assert "not opened" not in run(grey_files[0], "--bundle", drawn_bundle, "--out", tmp_path / "u.csv")


def test_a_second_signal_interrupts_at_once() -> None:
    with StopOnSignal() as stop:
        taken = stop.each(range(9))
        next(taken)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            next(taken)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert stop.asked


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_a_valid_table_and_resume_completes_it(
    drawn_bundle: Path, tmp_path: Path, number: signal.Signals
) -> None:
    image, out = tmp_path / "one.png", tmp_path / "t.csv"
    Image.fromarray((np.indices((500, 700)).sum(0) % 255).astype(np.uint8)).save(image)
    links = [tmp_path / f"{n:05d}.png" for n in range(1000)]
    for link in links:
        link.hardlink_to(image)
    (tmp_path / "list").write_bytes(b"\0".join(os.fsencode(link) for link in links))
    command = [sys.executable, "-m", "colles", "predict", "-", "--bundle", str(drawn_bundle), "--out", str(out)]
    with (tmp_path / "list").open("rb") as listed:
        process = subprocess.Popen([*command, "--threads", "1"], stdin=listed, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / ".t.csv.journal"
    while not journal.is_file() or journal.stat().st_size == 0:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    if number == signal.SIGKILL:
        assert not out.exists() and journal.is_file()
    else:
        assert process.returncode == 130 and "--resume" in said and not journal.exists()
        assert 0 < len(rows(out)) < 1000
    with (tmp_path / "list").open("rb") as listed:
        done = subprocess.run([*command, "--resume"], stdin=listed, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0 and "answered before" in done.stdout, done.stderr
    assert [row["path"] for row in rows(out)] == [str(link) for link in links]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(drawn_bundle: Path, tmp_path: Path) -> None:
    image = tmp_path / "one.png"
    Image.fromarray(np.full((64, 64), 90, np.uint8)).save(image)
    code = (
        "import re, sys; from pathlib import Path; from colles.serving.bundle import load_bundle\n"
        "from colles.serving.inputs import find_images; from colles.serving.predict import predict_to_table\n"
        f"predictor = load_bundle({str(drawn_bundle)!r}).predictor\n"
        "tally = predict_to_table(predictor, find_images(['-']), Path(sys.argv[1]))\n"
        # not ru_maxrss: a child inherits there what its parent, with torch in it, had taken before
        "peak = re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]\n"
        "print(sum(tally.counts.values()), peak)"
    )
    peaks = {}
    for count in (500, 10_000):
        names = b"\n".join(os.fsencode(image) for _ in range(count))
        command = [sys.executable, "-c", code, str(tmp_path / f"{count}.parquet")]
        done = subprocess.run(command, input=names, capture_output=True, check=True)
        answered, peak = map(int, done.stdout.split())
        assert answered == count
        peaks[count] = peak / 1024
    assert peaks[10_000] < 500 and peaks[10_000] < peaks[500] + 60, peaks
