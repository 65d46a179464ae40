"""The wheel in empty environments: it installs, is small, answers from the bundle inside, and works without torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from colles.serving.bundle import load_bundle
from colles.serving.known import default_bundle, find_known
from colles.serving.transport import push_bundle
from served import serve

ROOT = Path(__file__).parents[1]
LIMIT, SOURCE_LIMIT = 25_000_000, 40_000_000  # bytes
TOOLS = {"dev"}  # of this repository alone: resolved and not installed
HEAVY = {"train"}  # gigabytes: installed where uv's cache holds them, which costs links and only the index's pages
UNREACHABLE = re.compile(
    r"network (was disabled|timeout)|error sending request|dns error|connection refused|timed out", re.I
)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

pytestmark = pytest.mark.slow


def uv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "uv", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)


def install(python: Path, *what: str, download: bool = True) -> subprocess.CompletedProcess[str]:
    """Install with the lock's versions: from uv's cache where that suffices, else from the package index."""
    arguments = ["pip", "install", "--python", python, "-c", "requirements.lock", *what]
    done = uv(*arguments[:2], "--offline", *arguments[2:])
    if done.returncode == 0:
        return done
    if download:
        return uv(*arguments)
    uv(*arguments, "--dry-run")  # a set-up from the lock asks for fewer pages than resolving does
    return uv(*arguments[:2], "--offline", *arguments[2:])


def assert_installed(done: subprocess.CompletedProcess[str]) -> None:
    """Skip where the package index cannot be reached; any other failure is one."""
    if done.returncode != 0 and UNREACHABLE.search(done.stderr):
        pytest.skip(f"neither uv's cache nor a package index has the dependencies: {done.stderr[:300]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, made from the source archive that lies beside it."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a new environment with nothing in it."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    assert uv("venv", "--no-config", "--python", sys.executable, folder).returncode == 0
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def installed(wheel: Path, empty: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs `colles` from the wheel, away from the repository."""
    assert_installed(install(empty, str(wheel)))

    def call(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        command = [str(empty.with_name("colles")), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)

    return call


def test_the_wheel_is_small_and_states_its_licence(wheel: Path) -> None:
    import zipfile

    assert wheel.stat().st_size < LIMIT
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {"colles/datasets/registry.yaml", "colles/serving/http/page.html.j2"} <= set(names)
    assert not [name for name in names if name.startswith(("tests", "docs"))]
    bundles = {Path(name).parts[2] for name in names if name.startswith("colles/bundles/")}
    assert bundles == {default_bundle()}
    assert f"colles/bundles/{default_bundle()}/model.onnx" in names
    assert not [name for name in names if name.endswith(".safetensors")], "prediction does without the weights"


def test_the_source_archive_holds_the_default_bundle_alone(wheel: Path) -> None:
    import tarfile

    archive = next(wheel.parent.glob("*.tar.gz"))
    assert archive.stat().st_size < SOURCE_LIMIT
    with tarfile.open(archive) as opened:
        names = [Path(name).parts[1:] for name in opened.getnames()]
    assert {parts[1] for parts in names if parts[0] == "models"} == {default_bundle()}


@pytest.mark.parametrize(
    ("told", "outcome"),
    [("error: Failed to fetch\n  cause: dns error", pytest.skip.Exception), ("there is no version", AssertionError)],
)
def test_an_installation_that_fails_is_skipped_for_want_of_a_network_alone(
    told: str, outcome: type[BaseException]
) -> None:
    with pytest.raises(outcome):
        assert_installed(subprocess.CompletedProcess([], 1, "", told))


def test_the_base_install_has_no_torch_and_starts(installed, empty: Path, tmp_path: Path) -> None:
    found = subprocess.run([empty, "-c", "import torch"], capture_output=True, text=True, cwd=tmp_path)
    assert "No module named 'torch'" in found.stderr
    done = installed("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "evaluate" in done.stdout
    health = json.loads(installed("doctor", "--json", cwd=tmp_path).stdout)
    assert health["healthy"] is True
    assert {c["topic"]: c["state"] for c in health["checks"]}["extra train"] in ("absent", "note")


def test_it_answers_from_the_bundle_inside(installed, tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "wrist.png", 448, 448)
    done = installed("predict", "wrist.png", "--out", "answers.csv", "--no-gate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    name = load_bundle(ROOT / "models" / default_bundle()).name
    assert f",{name}," in (tmp_path / "answers.csv").read_text()
    done = installed("bundle", "verify", default_bundle(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    checks = json.loads(installed("doctor", "--json", cwd=tmp_path).stdout)["checks"]
    assert {check["state"] for check in checks if check["topic"] == f"bundle {default_bundle()}"} == {"ok"}


def test_it_fetches_a_bundle_with_its_weights(installed, tmp_path: Path) -> None:
    known = find_known(default_bundle())
    push_bundle(load_bundle(ROOT / "models" / known.name), tmp_path / known.archive)
    with serve((tmp_path / known.archive).read_bytes(), known.archive) as served:
        done = installed("bundle", "get", known.name, "--from", served.url, "--out", "models/full", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert known.licence in done.stderr
    assert (tmp_path / "models" / "full" / "model.safetensors").is_file()


def test_it_evaluates_a_table_of_scores(installed, tmp_path: Path) -> None:
    rows = [f"{n % 2},{0.2 + 0.5 * (n % 2) + 0.01 * (n % 17)}" for n in range(60)]
    (tmp_path / "scores.csv").write_text("\n".join(["y_true,y_score", *rows]))
    done = installed("evaluate", "scores.csv", "--out", "judged", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    evaluation = json.loads((tmp_path / "judged" / "evaluation.json").read_text())
    assert next(iter(evaluation["subsets"].values()))["figures"]["auroc"]["value"] == 1.0


def test_it_audits_a_folder(installed, tmp_path: Path, write_image: Callable[..., Path]) -> None:
    for number in range(4):
        write_image(tmp_path / "mine" / ("fractured" if number % 2 else "normal") / f"{number}.png", seed=number)
    (tmp_path / "mine" / "normal" / "copy.png").write_bytes((tmp_path / "mine" / "normal" / "0.png").read_bytes())
    done = installed("catalog", "--source", "folder=mine", "--out", "catalog.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = installed("audit", "catalog.parquet", "--out", "audit", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kinds = {issue["kind"] for issue in json.loads((tmp_path / "audit" / "audit.json").read_text())["issues"]}
    assert "exact_duplicate" in kinds


def test_what_needs_torch_names_the_extra(installed, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("data: {phantom: {images: 20, size: 64}}\n")
    done = installed("run", "recipe.yaml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == "error: this needs torch, which is not installed. pip install 'colles[train]'"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() - TOOLS))
def test_an_extra_installs_into_an_empty_environment(wheel: Path, tmp_path: Path, extra: str) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    assert uv("venv", "--no-config", "--python", sys.executable, tmp_path / "venv").returncode == 0
    assert_installed(install(python, f"{wheel}[{extra}]", download=extra not in HEAVY))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(python.with_name("colles")), "doctor", "--json"]
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)
    assert told.returncode == 0, told.stderr
    states = {check["topic"]: check["state"] for check in json.loads(told.stdout)["checks"]}
    assert states[f"extra {extra}"] == "ok"
    assert (states["extra train"] == "ok") == (extra == "train")
    assert states["GPU"] in ("ok", "absent")  # with the extra train: torch loads


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_every_extra_resolves_to_the_locked_versions(wheel: Path, empty: Path, extra: str) -> None:
    done = install(empty, "--dry-run", f"{wheel}[{extra}]")
    assert_installed(done)
    assert "Would install" in done.stderr
