"""What a release states about itself agrees with itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import colles

ROOT = Path(__file__).parents[1]


def test_the_citation_names_this_version_and_licence() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == colles.__version__
    assert citation["license"] == "Apache-2.0"
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_every_locked_package_is_on_the_page_of_licences() -> None:
    locked = set(re.findall(r"^([A-Za-z0-9][\w.\-]*)==", (ROOT / "requirements.lock").read_text(), re.M))
    listed = set(re.findall(r"^\| ([\w.\-]+) \|", (ROOT / "docs" / "licences.md").read_text(), re.M))
    assert len(locked) > 50
    assert locked - listed == set(), "run `make licences`"


def test_no_dependency_of_the_base_install_is_copyleft() -> None:
    page = (ROOT / "docs" / "licences.md").read_text()
    assert not re.search(r"\| [^|]*\b(A?GPL|GNU (?:Affero )?General)\b[^|]*\|$", page, re.M)


def test_the_lock_holds_no_download_addresses() -> None:
    assert not re.search(r"https?://", (ROOT / "requirements.lock").read_text())


@pytest.mark.parametrize(("size", "code"), [(10, 0), (1_000_001, 1)])
def test_large_files_are_refused_before_a_commit(tmp_path: Path, size: int, code: int) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(size))
    command = [sys.executable, ROOT / "scripts" / "no_large_files.py", tmp_path / "weights.bin"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    assert ("weights.bin" in done.stderr) == bool(code)
