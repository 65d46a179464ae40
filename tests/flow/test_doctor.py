"""The doctor: what is broken is named with its repair, what is merely absent is no failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import CheckError
from colles.core.machine import usable_cpus
from colles.flow import doctor
from colles.flow.doctor import Check


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Look at an empty working folder, without bundles, data, or the seconds that torch takes to load."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("COLLES_DATA", raising=False)
    monkeypatch.setattr("colles.serving.bundle.bundle_roots", lambda: [Path("models")])
    monkeypatch.setattr(doctor, "_gpu", list)


def found(checks: list[Check], topic: str) -> Check:
    return next(check for check in checks if check.topic == topic)


def test_a_working_installation_is_healthy_and_says_what_is_not_there() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["healthy"] is True
    states = {check["topic"]: check["state"] for check in answer["checks"]}
    assert states["python"] == states["packages"] == "ok"
    assert states["data"] == states["bundles"] == "absent"


def test_a_package_that_does_not_load_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED", ("json", "no_such_package_at_all"))
    result = CliRunner().invoke(app, ["doctor"])
    assert isinstance(result.exception, CheckError)
    assert result.exception.exit_code == 1
    assert "no_such_package_at_all" in str(result.exception)
    assert "make setup" in str(result.exception)


def test_an_extra_is_there_in_part_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"train": ("json", "no_such_package"), "ray": ("no_such_package",)})
    checks = doctor.examine()
    assert found(checks, "extra train").state == "note"
    assert "no_such_package missing" in found(checks, "extra train").detail
    assert found(checks, "extra ray").state == "absent"
    assert found(checks, "extra ray").repair == "pip install 'colles[ray]'"


def test_data_are_counted_absent_or_broken(fracatlas: Path, tmp_path: Path) -> None:
    checks = doctor.examine(fracatlas.parent)
    assert "5 images, 2 fractured" in found(checks, "data fracatlas").detail
    assert found(checks, "data bonefractureyolo").state == "absent"
    (fracatlas / "images" / "Non_fractured").rename(fracatlas / "elsewhere")
    assert found(doctor.examine(fracatlas.parent), "data fracatlas").state == "broken"
    assert found(doctor.examine(tmp_path / "none"), "data").state == "broken"


def test_a_damaged_bundle_is_broken(tmp_path: Path) -> None:
    folder = Path("models") / "mine"
    folder.mkdir(parents=True)
    manifest = {
        "format": "colles-bundle",
        "schema_version": 1,
        "files": {"metadata.json": {"sha256": "0" * 64, "bytes": 3}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    check = found(doctor.examine(), "bundle mine")
    assert check.state == "broken"
    assert check.repair


def test_threads_above_the_cores_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(usable_cpus() + 1))
    assert found(doctor.examine(), "threads").state == "note"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert found(doctor.examine(), "threads").state == "ok"


def test_memory_is_what_the_control_group_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 8000000 kB\n"}
    read: Callable[[str], str] = lambda path: files.get(path, "")  # noqa: E731
    monkeypatch.setattr(doctor, "kernel_text", read)
    assert doctor.free_memory() == 8_192_000_000
    files["/sys/fs/cgroup/memory.max"], files["/sys/fs/cgroup/memory.current"] = "3000000000\n", "1000000000\n"
    assert doctor.free_memory() == 2_000_000_000
    assert found(doctor.examine(), "memory").state == "note"
